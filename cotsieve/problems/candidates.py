"""Which problems enter a study: sources in order, without excluded ones, up to a limit."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cotsieve.ground.faults import Finding, bad
from cotsieve.problems.catalogue import Catalogue, alike
from cotsieve.problems.cells import RowFault, cell, identity_text, inner, question_text, shown
from cotsieve.problems.files.records import read_records, refuse
from cotsieve.problems.files.segments import place, read_text
from cotsieve.problems.index import DECIDES, key_of
from cotsieve.problems.problem import Problem
from cotsieve.problems.sources import (
    FORMATS,
    VARIANTS,
    check_columns,
    row_of,
    variant,
    wanted,
)

_QUESTION = dict.fromkeys(("math", "math500", "deepscaler"), "problem") | {"am": "messages"}
"""The column with the question, where it is not called question."""


class Exclusion(NamedTuple):
    """A list of problems to leave out."""

    path_name: str
    by: str
    """question (compared without blanks at the ends) or id."""
    values: tuple[str, ...]
    """As listed, stripped, repetitions included."""


class Match(NamedTuple):
    """What an exclusion list did to the sources, whatever the limit."""

    path_name: str
    by: str
    entries: int
    distinct: int
    rows_matched: int
    unmatched: tuple[str, ...]
    """Distinct entries that no row of the sources has, in list order."""


class Pool(NamedTuple):
    """Problems of one source: its catalogue, and their places there, in order."""

    catalogue: Catalogue
    places: np.ndarray

    def field(self, name: str) -> np.ndarray:
        """A field of the index, of these problems."""
        return self.catalogue.index[name][self.places]

    def only(self, wanted: np.ndarray) -> "Pool":
        """Those of the problems that are wanted, one truth value for each."""
        return self._replace(places=self.places[wanted])

    def first(self, count: int) -> "Pool":
        """The first of them."""
        return self._replace(places=self.places[:count])

    def at(self, numbers: np.ndarray) -> "Pool":
        """Those with some numbers, which ascend."""
        return self._replace(places=self.places[numbers])

    def problems(self) -> Iterator[Problem]:
        """They themselves; few of them are in memory."""
        return self.catalogue.problems(self.places)

    def content(self, fields: Sequence[str] = DECIDES) -> str:
        """A digest that changes when anything about them does, or what some fields tell."""
        told = hashlib.sha256()
        for field in fields:
            told.update(self.field(field).tobytes())
        return told.hexdigest()[:32]


class Selection(NamedTuple):
    """The chosen problems, and what was noticed on the way."""

    pools: list[Pool]
    """One for each source, in order."""
    matches: list[Match]
    repeated_questions: int
    """Chosen problems whose stripped question an earlier chosen one has; they are kept."""

    def problems(self) -> Iterator[Problem]:
        """The chosen problems, in order; few of them are in memory."""
        for pool in self.pools:
            yield from pool.problems()


def select(
    pools: Sequence[Pool],
    exclusions: Sequence[Exclusion],
    limit: int | None,
    sample: Callable[[list[Pool]], list[Pool]] | None = None,
) -> Selection:
    """The first `limit` problems of the pools, in order, that no list excludes (None: all).

    `sample` chooses among those that are not excluded. Raises BadInput for a limit below 1 and for
    a problem id that two sources share.
    """
    if limit is not None and limit < 1:
        raise bad("limit", f"it is {limit}", "Give at least 1, or leave it out for all problems.")
    refuse(_shared_ids(pools))
    excluded = [(_FIELD[item.by], _keys(item.values)) for item in exclusions]
    kept = [_without(pool, excluded) for pool in pools]
    kept = _first(sample(kept) if sample else kept, limit)
    matches = [_match(exclusion, pools) for exclusion in exclusions]
    asked = _all("question", [pool.only(pool.catalogue.usable[pool.places]) for pool in kept])
    return Selection(kept, matches, len(asked) - len(np.unique(asked)))


def read_exclusion(path: Path, definition: Mapping[str, object]) -> Exclusion:
    """The questions or ids listed in a file.

    `definition` holds `format` ("text": one per line; or a format of a source), `by` ("question",
    "id"), `field` (the column to read; needed for ids), `columns` and `variant` as for a source.
    Raises BadInput with every entry that is not usable text.
    """
    path = Path(path)
    _check_definition(path, definition)
    by = definition.get("by") or "question"
    if definition["format"] == "text":
        lines = (line.strip() for line in read_text(path).split("\n"))
        return Exclusion(path.name, by, tuple(line for line in lines if line))
    rows = read_records(path)
    existing = list(dict.fromkeys(key for record in rows for key in record))
    check_columns(path, existing, [_top_column(definition)])
    values: list[str] = []
    findings: list[Finding] = []
    for row, record in enumerate(rows):
        try:
            if wanted(definition, record):
                values.append(_entry(definition, record))
        except RowFault as fault:
            findings.append(Finding(place(path, row), fault.what, fault.mend))
    refuse(findings)
    return Exclusion(path.name, by, tuple(values))


_FIELD = {"question": "question", "id": "identity"}
"""What problems are excluded by → the field of the index with its digest."""


def _keys(values: Iterable[str]) -> np.ndarray:
    return np.array([key_of(value) for value in values], np.uint64)


def _all(field: str, pools: Sequence[Pool]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.uint64), *(pool.field(field) for pool in pools)])


def _without(pool: Pool, excluded: Iterable[tuple[str, np.ndarray]]) -> Pool:
    for field, keys in excluded:
        pool = pool.only(~np.isin(pool.field(field), keys))
    return pool


def _first(pools: list[Pool], limit: int | None) -> list[Pool]:
    if limit is None:
        return pools
    chosen = []
    for pool in pools:
        chosen.append(pool.first(limit))
        limit -= len(chosen[-1].places)
    return chosen


def _match(exclusion: Exclusion, pools: Sequence[Pool]) -> Match:
    values = list(dict.fromkeys(exclusion.values))
    keys, rows = _keys(values), _all(_FIELD[exclusion.by], pools)
    found = int(np.isin(rows, keys).sum())
    matched = np.isin(keys, rows)
    unmatched = tuple(value for value, known in zip(values, matched, strict=True) if not known)
    name, by, entries = exclusion.path_name, exclusion.by, exclusion.values
    return Match(name, by, len(entries), len(values), found, unmatched)


def _shared_ids(pools: Sequence[Pool]) -> list[Finding]:
    """Ids of two sources; each by itself has none twice."""
    keys = _all("identity", pools)
    if len(pools) < 2 or len(np.unique(keys)) == len(keys):
        return []
    twice = keys[alike(keys, np.arange(len(keys)))]
    first: dict[str, Problem] = {}
    findings = []
    for pool in pools:
        suspects = pool.only(np.isin(pool.field("identity"), twice))
        for problem in suspects.problems():
            earlier = first.setdefault(problem.problem_id, problem)
            if earlier is not problem:
                where = f"source {problem.source!r} row {problem.row}"
                other = f"source {earlier.source!r} row {earlier.row}"
                what = f"its id {shown(problem.problem_id)} is also that of {other}"
                mend = "Rename a source, or give it a column of ids."
                findings.append(Finding(where, what, mend))
    return findings


def _field(definition: Mapping[str, object]) -> str | None:
    key = "id" if definition.get("by") == "id" else "question"
    return definition.get("field") or (definition.get("columns") or {}).get(key)


def _top_column(definition: Mapping[str, object]) -> str:
    if definition["format"] == "pairs":
        return _field(definition) or variant(definition)
    return _field(definition) or _QUESTION.get(definition["format"], "question")


def _entry(definition: Mapping[str, object], record: dict) -> str:
    if definition.get("by") == "id":
        return identity_text(cell(record, _field(definition))).strip()
    if _field(definition):
        return question_text(cell(record, _field(definition))).strip()
    if definition["format"] == "am":
        return question_text(row_of(definition, record).question).strip()
    if definition["format"] == "pairs":
        return question_text(cell(inner(record, variant(definition)), "question")).strip()
    return question_text(cell(record, _top_column(definition))).strip()


def _check_definition(path: Path, definition: Mapping[str, object]) -> None:
    where = f"exclusion {path}"
    formats = (*FORMATS, "text")
    if definition.get("format") not in formats:
        what = f"format is {shown(definition.get('format'))}"
        raise bad(where, what, f"Use one of {', '.join(formats)}.")
    if (definition.get("by") or "question") not in ("question", "id"):
        raise bad(where, f"by is {shown(definition['by'])}", "Use question or id.")
    if variant(definition) not in VARIANTS:
        raise bad(where, f"variant is {shown(variant(definition))}", "Use clean or corrupted.")
    by_column = definition["format"] == "columns" or definition.get("by") == "id"
    if by_column and definition["format"] != "text" and not _field(definition):
        raise bad(where, "no field is given", "Name the column to read as field.")
