"""Fits the built-in labeller: `python -m cotsieve.findings.labels.fitting FOLDER`.

FOLDER holds published labels, chunks_labeled.parquet with a row per sentence (model, split,
problem_id, chunk, chunk_idx, function_tags, depends_on). Before all are fitted, each problem is
left out in turn, and the others fitted: what is told of the labeller is its agreement with those
that were left out. The same labels give the same file on the same machine.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import logsumexp

from cotsieve.findings.labels.features import BITS, trace_features
from cotsieve.findings.labels.tagger import SIZE, TAGS, WEIGHTS, Tagger, dependencies

PENALTY = 2.0
STEPS = 60
LICENCE = "MIT (c) 2025 interp-reasoning: labels of Thought Anchors, by gpt-4o"


@dataclass(frozen=True)
class Labelled:
    """A published trace."""

    problem: int
    features: list[NDArray[np.int64]]
    tags: list[int]
    depends_on: list[set[int]]


def labelled_traces(folder: Path) -> list[Labelled]:
    """Published traces with their first tags."""
    names = ("model", "split", "problem_id", "chunk_idx")
    rows = pq.read_table(folder / "chunks_labeled.parquet").to_pylist()
    rows.sort(key=lambda row: tuple(row[name] for name in names))
    found = []
    for name, group in groupby(rows, lambda row: tuple(row[name] for name in names[:3])):
        trace = list(group)
        found.append(
            Labelled(
                name[2],
                trace_features([row["chunk"] for row in trace]),
                [TAGS.index(row["function_tags"][0]) for row in trace],
                [{int(other) for other in row["depends_on"]} for row in trace],
            )
        )
    return found


def fitted(traces: Sequence[Labelled]) -> Tagger:
    """The model of these labels: logistic regression, and counts of what follows what."""
    tags = np.array([tag for trace in traces for tag in trace.tags])
    inputs, wanted = _matrix(traces), np.eye(len(TAGS))[tags]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(-1, len(TAGS))
        scores = inputs @ weights
        logs = scores - logsumexp(scores, 1, keepdims=True)
        slope = inputs.T @ (np.exp(logs) - wanted) + PENALTY * weights
        return PENALTY / 2 * (weights**2).sum() - (logs * wanted).sum(), slope.ravel()

    start = np.zeros((1 << BITS) * len(TAGS))
    done = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    pairs, first = np.ones((len(TAGS), len(TAGS))), np.ones(len(TAGS))
    for trace in traces:
        first[trace.tags[0]] += 1
        np.add.at(pairs, (trace.tags[:-1], trace.tags[1:]), 1)
    usual = np.log((np.bincount(tags, minlength=len(TAGS)) + 1) / (len(tags) + len(TAGS)))
    return Tagger(
        done.x.reshape(-1, len(TAGS)).astype(np.float16).astype(np.float32),
        (np.log(pairs / pairs.sum(1, keepdims=True)) - usual).astype(np.float32),
        (np.log(first / first.sum()) - usual).astype(np.float32),
    )


def _matrix(traces: Sequence[Labelled]) -> csr_matrix:
    rows = [features for trace in traces for features in trace.features]
    ends = np.cumsum([0, *map(len, rows)])
    values = np.concatenate([np.full(len(row), SIZE / np.sqrt(len(row))) for row in rows])
    return csr_matrix((values, np.concatenate(rows), ends), shape=(len(rows), 1 << BITS))


def cross_validated(traces: Sequence[Labelled]) -> dict[str, Any]:
    """Agreement with the labels of each problem, of a model that was fitted without it."""
    confusion = np.zeros((len(TAGS), len(TAGS)), int)
    alike, told, wanted = 0, 0, 0
    for problem in sorted({trace.problem for trace in traces}):
        tagger = fitted([trace for trace in traces if trace.problem != problem])
        for trace in (trace for trace in traces if trace.problem == problem):
            found = tagger.numbers(trace.features)
            np.add.at(confusion, (trace.tags, found), 1)
            links = [set(some) for some in dependencies([TAGS[tag] for tag in found])]
            alike += sum(len(a & b) for a, b in zip(links, trace.depends_on, strict=True))
            told += sum(map(len, links))
            wanted += sum(map(len, trace.depends_on))
    return {
        "accuracy": round(float(confusion.trace() / confusion.sum()), 4),
        "majority": round(float(confusion.sum(1).max() / confusion.sum()), 4),
        "confusion": confusion.tolist(),  # rows: published, columns: found
        "tags": TAGS,
        "dependencies": {
            "precision": round(alike / told, 4), "recall": round(alike / wanted, 4),
        },
        "sentences": int(confusion.sum()),
        "traces": len(traces),
        "problems": len({trace.problem for trace in traces}),
        "licence": LICENCE,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    told = parser.parse_args()
    traces = labelled_traces(told.folder)
    about = cross_validated(traces)
    tagger = fitted(traces)
    parts = {
        "weights": tagger.weights.astype(np.float16),
        "following": tagger.following,
        "first": tagger.first,
    }
    np.savez(told.out, about=np.array(json.dumps(about)), **parts)
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
