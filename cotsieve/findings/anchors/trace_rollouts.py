"""The rollouts of one trace as arrays: what every measure of its sentences is computed from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

OUTCOMES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),  # which trace of the problem
        ("sentence", pa.int32()),  # counted from 0; the first one that is not given
        ("kind", pa.string()),  # resample | force, or another intervention on the sentence
        ("rollout", pa.int32()),
        ("status", pa.string()),  # valid | empty | unfinished | error
        ("error", pa.string()),
        ("published_answer", pa.string()),  # read by the rule of the publication; null: failed
        ("published_correct", pa.bool_()),  # null: undecided, or failed
        ("prediction", pa.string()),  # read by the study's grader
        ("verdict", pa.string()),  # correct | incorrect | no_answer | failed
        ("answer_class", pa.string()),  # equal for equal answers; null for no answer
        ("replacement", pa.string()),  # the first sentence written; null: failed
    ]
)
"""What became of every rollout: one row each, texts left out."""

RESAMPLED, FORCED = "resample", "force"


@dataclass(frozen=True)
class Codes:
    """Texts as numbers, -1 for none."""

    codes: NDArray[np.int64]
    names: list[str]

    @classmethod
    def of(cls, column: pa.Array) -> "Codes":
        """Those of a column of strings, where null is none."""
        encoded = column.dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return cls(codes.astype(np.int64), encoded.dictionary.to_pylist())

    def under(self, new: Sequence[str]) -> "Codes":
        """The same places with other names, equal ones put together; an empty name is none."""
        names = list(dict.fromkeys(name for name in new if name))
        places = {name: place for place, name in enumerate(names)}
        table = np.array([*(places.get(name, -1) for name in new), -1], dtype=np.int64)
        return Codes(table[self.codes], names)


@dataclass(frozen=True)
class Rollouts:
    """The rollouts of one kind around the sentences of one trace; arrays of one length."""

    sentences: int
    """How many sentences the trace has."""
    sentence: NDArray[np.int64]
    failed: NDArray[np.bool_]
    unfinished: NDArray[np.bool_]
    published: Codes
    """Answers as published, before they are brought into a normal form."""
    published_correct: NDArray[np.int8]
    """1, 0, or -1 where it is not known."""
    classes: Codes
    correct: NDArray[np.int8]
    """By the study's grader: 1, 0, or -1 where it could not tell."""
    replacement: Codes
    likeness: NDArray[np.float64]
    """Cosine between the sentence and what replaced it; NaN where there is none."""

    def counts(self, codes: Codes, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """How often each text occurs at each sentence, (sentences, texts)."""
        width = max(1, len(codes.names))
        kept = codes.codes >= 0 if chosen is None else chosen & (codes.codes >= 0)
        places = self.sentence[kept] * width + codes.codes[kept]
        return np.bincount(places, minlength=self.sentences * width).reshape(-1, width)

    def number(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """How many there are at each sentence."""
        places = self.sentence if chosen is None else self.sentence[chosen]
        return np.bincount(places, minlength=self.sentences)

    def following(self) -> NDArray[np.int64]:
        """For every sentence the next that has rollouts; -1 where there is none, or none here."""
        there = np.flatnonzero(self.number())
        following = np.full(self.sentences, -1)
        following[there[:-1]] = there[1:]
        return following


def rollouts_of(
    rows: pa.Table, sentences: int, likeness: NDArray[np.float64] | None = None
) -> Rollouts:
    """Rows of OUTCOMES of one trace and one kind, with the likeness of each replacement."""
    rows = rows.combine_chunks()
    column = {name: _flat(rows[name]) for name in rows.column_names}
    verdict = column["verdict"]
    status = column["status"]
    none = np.full(len(rows), np.nan)
    return Rollouts(
        sentences,
        column["sentence"].to_numpy().astype(np.int64),
        _is(status, "error"),
        _is(status, "unfinished"),
        Codes.of(column["published_answer"]),
        _trilean(column["published_correct"]),
        Codes.of(column["answer_class"]),
        np.where(_is(verdict, "failed"), -1, _is(verdict, "correct")).astype(np.int8),
        Codes.of(column["replacement"]),
        none if likeness is None else likeness,
    )


def traces_in(outcomes: pa.Table) -> Iterator[tuple[tuple[str, int], pa.Table]]:
    """(problem id, sample) and the rows of each trace; rows of a trace stand together."""
    if not len(outcomes):
        return
    ids = _flat(outcomes["problem_id"]).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    samples = outcomes["sample"].to_numpy()
    edges = np.flatnonzero((np.diff(ids) != 0) | (np.diff(samples) != 0)) + 1
    for start, end in zip([0, *edges], [*edges, len(ids)], strict=True):
        part = outcomes.slice(start, end - start)
        yield (part["problem_id"][0].as_py(), int(samples[start])), part


def by_trace(outcomes: pa.Table) -> pa.Table:
    """The same rows with those of each trace together, traces in the order of their first rows."""
    names = list(
        zip(outcomes["problem_id"].to_pylist(), outcomes["sample"].to_pylist(), strict=True)
    )
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return outcomes.take(np.argsort([places[name] for name in names], kind="stable"))


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _is(column: pa.Array, value: str) -> NDArray[np.bool_]:
    found = pc.fill_null(pc.equal(column, value), False)
    return found.to_numpy(zero_copy_only=False)


def _trilean(column: pa.Array) -> NDArray[np.int8]:
    return pc.fill_null(column.cast(pa.int8()), -1).to_numpy(zero_copy_only=False)
