"""Measures made-up rollouts around sentences, as many as were published for 40 traces.

`python -m benchmarks.anchors [--traces 40] [--sentences 144] [--rollouts 100]` tells how long it
takes to measure them from the stored tables of outcomes and likeness, and how much memory.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from cotsieve.findings.anchors.anchor_table import ANCHORS, SENTENCES, anchors
from cotsieve.findings.anchors.importance import Measuring
from cotsieve.findings.anchors.likeness import LIKENESS
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.tables import read, write

ANSWERS = 12
"""Different ones of a trace."""


def sentence_rows(trace: int, count: int) -> list[dict]:
    row = dict.fromkeys(SENTENCES.names) | {"problem_id": f"p{trace}", "sample": 0}
    return [
        row | {"sentence": n, "sentences": count, "text": f"Sentence {n}.", "chosen": True}
        for n in range(count)
    ]


def outcome_table(trace: int, sentences: int, rollouts: int) -> pa.Table:
    """One trace, its rollouts written anew; the share of right answers rises along it."""
    draw = np.random.default_rng(trace)
    size = sentences * rollouts
    number = np.repeat(np.arange(sentences), rollouts)
    right = draw.random(size) < 0.2 + 0.6 * number / sentences
    answer = np.where(right, 0, draw.integers(1, ANSWERS, size))
    texts = [str(value) for value in answer]
    nothing = pa.nulls(size, pa.string())
    columns = {
        "problem_id": [f"p{trace}"] * size,
        "sample": np.zeros(size),
        "sentence": number,
        "kind": ["resample"] * size,
        "rollout": np.tile(np.arange(rollouts), sentences),
        "status": ["valid"] * size,
        "error": nothing,
        "published_answer": texts,
        "published_correct": right,
        "prediction": texts,
        "verdict": np.where(right, "correct", "incorrect"),
        "answer_class": texts,
        "replacement": [f"Another {value}." for value in draw.integers(0, 30, size)],
    }
    found = [pa.array(columns[name]) for name in OUTCOMES.names]
    return pa.table(found, names=OUTCOMES.names).cast(OUTCOMES)


def likeness_table(outcomes: pa.Table, trace: int) -> pa.Table:
    draw = np.random.default_rng(-trace % 2**32)
    size = len(outcomes)
    columns = {name: outcomes[name] for name in LIKENESS.names[:4]}
    columns["cosine"] = pa.array(draw.random(size).round(6))
    columns["meaning"] = pa.array(draw.integers(0, 6, size))
    return pa.table(columns).cast(LIKENESS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--traces", type=int, default=40)
    parser.add_argument("--sentences", type=int, default=144)
    parser.add_argument("--rollouts", type=int, default=100)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, sentences = Path(place), []
        parts = [folder / f"{trace}.parquet" for trace in range(told.traces)]
        likeness = []
        for trace, part in enumerate(parts):
            sentences += sentence_rows(trace, told.sentences)
            outcomes = outcome_table(trace, told.sentences, told.rollouts)
            write(outcomes, part, OUTCOMES)
            likeness.append(likeness_table(outcomes, trace))
        write(pa.concat_tables(likeness), folder / "likeness.parquet", LIKENESS)
        del likeness, outcomes
        started = time.perf_counter()
        found = anchors(
            pa.Table.from_pylist(sentences, schema=SENTENCES),
            (read(part, OUTCOMES) for part in parts),
            read(folder / "likeness.parquet", LIKENESS),
            Measuring(threshold=0.8, alpha=0.5, least_dissimilar=5, draws=1000, seed=0),
        )
        write(found, folder / "anchors.parquet", ANCHORS)
        seconds = time.perf_counter() - started
    rollouts = told.traces * told.sentences * told.rollouts
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{rollouts:,} rollouts measured in {seconds:.1f} s, {peak:.2f} GiB at most")


if __name__ == "__main__":
    main()
