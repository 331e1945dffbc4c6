"""Which problems enter a study: sources in order, without excluded ones, up to a limit."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cotsieve.ground.faults import Finding, bad
from cotsieve.problems.cells import RowFault, cell, identity_text, inner, question_text, shown
from cotsieve.problems.problem import Problem
from cotsieve.problems.records import place, read_records, read_text, refuse
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


class Selection(NamedTuple):
    """The chosen problems, and what was noticed on the way."""

    problems: list[Problem]
    matches: list[Match]
    repeated_questions: int
    """Chosen problems whose stripped question an earlier chosen one has; they are kept."""


def select(
    sources: Sequence[Sequence[Problem]], exclusions: Sequence[Exclusion], limit: int | None
) -> Selection:
    """The first `limit` problems of the sources, in order, that no list excludes (None: all).

    Raises BadInput for a limit below 1 and for a problem id that two rows share.
    """
    if limit is not None and limit < 1:
        raise bad("limit", f"it is {limit}", "Give at least 1, or leave it out for all problems.")
    problems = [problem for source in sources for problem in source]
    refuse(_shared_ids(problems))
    excluded = {by: _values(exclusions, by) for by in ("question", "id")}
    kept = [
        problem
        for problem in problems
        if not any(_key(problem, by) in values for by, values in excluded.items())
    ][:limit]
    questions = [problem.question.strip() for problem in kept if not problem.error]
    matches = [_match(exclusion, problems) for exclusion in exclusions]
    return Selection(kept, matches, len(questions) - len(set(questions)))


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
    check_columns(path, rows, [_top_column(definition)])
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


def _values(exclusions: Iterable[Exclusion], by: str) -> set[str]:
    return {value for exclusion in exclusions if exclusion.by == by for value in exclusion.values}


def _key(problem: Problem, by: str) -> str:
    return problem.question.strip() if by == "question" else problem.problem_id.strip()


def _match(exclusion: Exclusion, problems: Iterable[Problem]) -> Match:
    values = dict.fromkeys(exclusion.values)
    found = [key for problem in problems if (key := _key(problem, exclusion.by)) in values]
    matched = set(found)
    unmatched = tuple(value for value in values if value not in matched)
    name, by, entries = exclusion.path_name, exclusion.by, exclusion.values
    return Match(name, by, len(entries), len(values), len(found), unmatched)


def _shared_ids(problems: Iterable[Problem]) -> list[Finding]:
    first: dict[str, Problem] = {}
    findings = []
    for problem in problems:
        earlier = first.setdefault(problem.problem_id, problem)
        if earlier is not problem:
            where = f"source {problem.source!r} row {problem.row}"
            other = f"source {earlier.source!r} row {earlier.row}"
            what = f"its id {shown(problem.problem_id)} is also that of {other}"
            findings.append(Finding(where, what, "Rename a source, or give it a column of ids."))
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
