"""What one sentence does for another: whether it is written again when the first is left out.

Section 5 of "Thought Anchors" by resampling; the diagonal tells whether a sentence that was left
out comes back later (resilience, "Thought Branches", arXiv 2510.27484).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotsieve.findings.anchors.likeness import Embed, Vectors
from cotsieve.interventions.prefixes import parsed_unit
from cotsieve.interventions.sentences import sentences, thinking_span

PAIRS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("source", pa.int32()),  # the sentence that is left out
        ("target", pa.int32()),  # a later one, or the same
        ("match_without", pa.float64()),  # share of rollouts that write the target, source left out
        ("match_with", pa.float64()),  # the same with the source kept; null for the same sentence
        ("importance", pa.float64()),  # with minus without: above zero the source brings the target
    ]
)

Rates = NDArray[np.float64]
Written = Mapping[int, Sequence[Sequence[int]]]
"""Sentence → the sentences of every rollout around it that wrote any, as rows of vectors."""


Texts = Mapping[int, Sequence[str]]
"""Sentence → what its rollouts wrote."""


def rollouts_by_trace(
    rollouts: Iterable[pa.Table], most: int | None
) -> Iterator[tuple[tuple[str, int], Texts]]:
    """(problem id, sample) of each trace and its rollouts that did not fail, `most` per sentence.

    The rows of a trace stand together in the tables, some of which come at a time.
    """
    name, found = None, {}
    for some in rollouts:
        for row in some.to_pylist():
            problem_id, sample, sentence = parsed_unit(row["problem_id"])
            if name != (problem_id, sample):
                if name is not None:
                    yield name, found
                name, found = (problem_id, sample), {}
            if row["finish_reason"] != "failed" and (most is None or row["sample"] < most):
                found.setdefault(sentence, []).append(row["text"])
    if name is not None:
        yield name, found


def trace_pairs(
    name: tuple[str, int], chunks: Sequence[str], texts: Texts, embed: Embed, threshold: float
) -> list[dict]:
    """Rows of PAIRS for one trace, from the sentences of its rollouts' thoughts."""
    distinct = dict.fromkeys(chunks)
    split = {
        sentence: [[s.text for s in sentences(text[thinking_span(text)])] for text in written]
        for sentence, written in texts.items()
    }
    for written in split.values():
        distinct |= dict.fromkeys(text for one in written for text in one)
    places = {text: place for place, text in enumerate(distinct)}
    vectors = embed(list(places))
    written = {
        sentence: [[places[text] for text in one] for one in rollouts if one]
        for sentence, rollouts in split.items()
    }
    own = vectors[[places[chunk] for chunk in chunks]]
    return pair_rows(name, match_rates(written, vectors, own, threshold))


def match_rates(written: Written, vectors: Vectors, chunks: Vectors, threshold: float) -> Rates:
    """m[k, j]: the share of rollouts of sentence k that write one like sentence j.

    NaN where a sentence has no rollouts.
    """
    found = np.full((len(chunks), len(chunks)), np.nan)
    for sentence, rollouts in written.items():
        if not rollouts:
            continue
        ids = np.concatenate([np.asarray(one, np.int64) for one in rollouts])
        distinct, places = np.unique(ids, return_inverse=True)
        like = (vectors[distinct] @ chunks.T) >= threshold
        starts = np.cumsum([0, *(len(one) for one in rollouts)])[:-1]
        found[sentence] = np.logical_or.reduceat(like[places], starts).mean(0)
    return found


def importance_matrix(rates: Rates) -> Rates:
    """m[i+1, j] − m[i, j] for j after i; NaN elsewhere and where there are no rollouts."""
    steps = np.full_like(rates, np.nan)
    steps[:-1] = np.diff(rates, axis=0)
    later = np.triu(np.ones_like(rates, dtype=bool), 1)
    return np.where(later, steps, np.nan)


def published_matrix(rates: Rates) -> dict[str, Rates]:
    """As published, with zeros for what is undefined: matrix, outgoing, incoming, combined."""
    matrix = np.nan_to_num(importance_matrix(rates))
    size = len(matrix)
    later = np.maximum(np.arange(size)[::-1], 1)
    outgoing = matrix.sum(1) / later
    incoming = matrix.sum(0) / later[::-1]
    return {
        "matrix": matrix,
        "outgoing": outgoing,
        "incoming": incoming,
        "combined": outgoing + incoming,
    }


def pair_rows(name: tuple[str, int], rates: Rates) -> list[dict]:
    """Rows of PAIRS for one trace: every sentence with rollouts and each from it on."""
    steps = importance_matrix(rates)
    rows = []
    for source in np.flatnonzero(~np.isnan(rates).all(1)):
        for target in range(source, len(rates)):
            kept = rates[source + 1, target] if target > source else np.nan
            values = rates[source, target], kept, steps[source, target]
            row = zip(PAIRS.names, (*name, int(source), target, *map(_known, values)), strict=True)
            rows.append(dict(row))
    return rows


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
