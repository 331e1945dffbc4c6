"""Turn the rows of one data file into problems."""

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from cotsieve.ground.faults import Finding, bad
from cotsieve.problems.cells import (
    Row,
    RowFault,
    answer_text,
    boxed_answer,
    cell,
    identity_text,
    inner,
    latex_answer,
    marked_answer,
    number_or_latex,
    question_text,
    shown,
    solution_text,
    steps_number,
)
from cotsieve.problems.competition import (
    DEEPSCALER,
    MATH,
    MATH500,
    deepscaler_row,
    math500_row,
    math_row,
)
from cotsieve.problems.distilled import AM, am_row
from cotsieve.problems.problem import UNKNOWN, Problem, count_steps, difficulty
from cotsieve.problems.records import place, read_records, refuse

FORMATS = ("gsm8k", "pairs", "cot_all", "columns", "math", "math500", "deepscaler", "am")
VARIANTS = ("clean", "corrupted")

_OWN_IDS = {"pairs": "pair_", "cot_all": "existing_"}
_NAMED_ROWS = ("math", "math500")
"""Formats whose rows may carry their id, as unique_id."""
_NEEDED = {
    "gsm8k": ("question", "answer"),
    "pairs": ("pair_id", *VARIANTS),
    "cot_all": ("pair_id", "variant", "question", "answer", "reasoning_steps"),
    "columns": (),
    "math": MATH,
    "math500": MATH500,
    "deepscaler": DEEPSCALER,
    "am": AM,
}


def read_source(name: str, definition: Mapping[str, object], path: Path) -> list[Problem]:
    """The problems of a file, in file order.

    `definition` holds `format` (one of FORMATS), `columns` (for "columns": the file's names for
    question, solution, answer, steps, id), `id` (a column of ids), `variant` ("clean",
    "corrupted") and `bad_rows`: "stop" refuses the file with every bad row, "record" keeps each as
    a problem with an `error`. Raises BadInput for those, and always for an unreadable file, an
    unmapped column or an id that occurs twice.
    """
    path = Path(path)
    _check_definition(name, definition)
    rows = read_records(path)
    check_columns(path, rows, _columns_used(definition))
    problems: list[Problem] = []
    findings: list[Finding] = []
    for row, record in enumerate(rows):
        try:
            if not wanted(definition, record):
                continue
            problems.append(_problem(name, definition, row, record))
        except RowFault as fault:
            findings.append(Finding(place(path, row), fault.what, fault.mend))
            problems.append(_failed(name, definition, row, record, fault))
    problems = _without_copies(problems) if definition["format"] == "pairs" else problems
    refused = findings if definition.get("bad_rows", "stop") == "stop" else []
    refuse(refused + _repeated_ids(path, problems))
    return problems


def wanted(definition: Mapping[str, object], record: dict) -> bool:
    """Whether a row is of the wanted variant; RowFault when it names no known variant."""
    if definition["format"] != "cot_all":
        return True
    if record.get("variant") not in VARIANTS:
        what = f"the variant is {shown(record.get('variant'))}"
        raise RowFault(what, f"Write {' or '.join(VARIANTS)}.")
    return record["variant"] == variant(definition)


def variant(definition: Mapping[str, object]) -> str:
    """Which side of clean/corrupted pairs a definition asks for."""
    return definition.get("variant") or "clean"


def check_columns(path: Path, rows: list[dict], columns: list[str]) -> None:
    """Raise BadInput for columns that no row of the file has."""
    existing = list(dict.fromkeys(key for record in rows for key in record))
    refuse(
        Finding(
            str(path), f"no row has a column {column!r}", f"Columns there: {shown(existing, 800)}."
        )
        for column in columns
        if column not in existing
    )


def row_of(definition: Mapping[str, object], record: dict) -> Row:
    """The cells of a row, still unchecked; RowFault when the row has not the form of its format."""
    kind = definition["format"]
    if kind == "gsm8k":
        return Row(cell(record, "question"), cell(record, "answer"), answer_is="marked")
    if kind == "cot_all":
        return Row(
            question=cell(record, "question"),
            answer=cell(record, "answer"),
            steps=cell(record, "reasoning_steps"),
        )
    if kind == "pairs":
        return _pair_row(variant(definition), record)
    if kind == "math":
        return math_row(record)
    if kind == "math500":
        return math500_row(record)
    if kind == "deepscaler":
        return deepscaler_row(record)
    if kind == "am":
        return am_row(record)
    names = definition["columns"]
    cells = {key: cell(record, column) for key, column in names.items() if key != "id"}
    read = "either" if definition.get("latex") else "number"
    return Row(**cells, answer_is=read if "answer" in names else "marked")


def _pair_row(which: str, record: dict) -> Row:
    half, solution = inner(record, which), cell(inner(record, "clean"), "full_answer")
    question = cell(half, "question")
    if which == "clean":
        # Not the pair's own answer: five of the published ones are cut at a comma ("2,125" is 2).
        return Row(question, solution, answer_is="marked")
    # A corrupted question differs from its clean twin in a number, so it takes as many steps.
    steps = count_steps(solution_text(solution) or "")
    return Row(question, answer=cell(half, "answer"), steps=steps)


def _problem(name: str, definition: Mapping[str, object], row: int, record: dict) -> Problem:
    problem_id = _problem_id(name, definition, row, record)
    found = row_of(definition, record)
    question = question_text(found.question)
    if found.fault:
        raise found.fault
    solution = solution_text(found.solution)
    answer = _answer(found, solution)
    steps = _steps(found, solution)
    stratum = UNKNOWN if steps is None else difficulty(steps)
    about = {"level": found.level, "subject": found.subject}
    about["reasoning"] = None if found.reasoning is None else solution_text(found.reasoning)
    return Problem(problem_id, name, row, question, solution, answer, steps, stratum, **about)


def _steps(row: Row, solution: str | None) -> int | None:
    """As they are given, or counted; None where there is nothing to count in."""
    if row.steps is not None:
        return steps_number(row.steps)
    return None if solution is None else count_steps(solution)


def _answer(row: Row, solution: str | None) -> str:
    if row.answer_is == "marked":
        return marked_answer(solution)
    if row.answer_is == "boxed":
        return boxed_answer(solution)
    if row.answer_is == "either":
        return number_or_latex(row.answer)
    return latex_answer(row.answer) if row.answer_is == "text" else answer_text(row.answer)


def _problem_id(name: str, definition: Mapping[str, object], row: int, record: dict) -> str:
    column = _id_column(definition)
    if column:
        return identity_text(cell(record, column))
    if definition["format"] in _NAMED_ROWS and record.get("unique_id") is not None:
        return identity_text(record["unique_id"])
    prefix = _OWN_IDS.get(definition["format"])
    if prefix is None:
        return f"{name}_{row}"
    suffix = "" if variant(definition) == "clean" else "_corrupted"
    return f"{prefix}{identity_text(cell(record, 'pair_id'))}{suffix}"


def _failed(
    name: str, definition: Mapping[str, object], row: int, record: dict, fault: RowFault
) -> Problem:
    try:
        problem_id = _problem_id(name, definition, row, record)
    except RowFault:
        problem_id = f"{name}_{row}"
    question, steps, about = "", None, {}
    with contextlib.suppress(RowFault):
        found = row_of(definition, record)
        about = {"level": found.level, "subject": found.subject}
        with contextlib.suppress(RowFault):
            steps = None if found.steps is None else steps_number(found.steps)
        question = question_text(found.question)
    stratum = UNKNOWN if steps is None else difficulty(steps)
    return Problem(problem_id, name, row, question, None, "", steps, stratum, str(fault), **about)


def _without_copies(problems: list[Problem]) -> list[Problem]:
    """Without problems that repeat an earlier one in everything but the row."""
    first: dict[Problem, Problem] = {}
    for problem in problems:
        first.setdefault(dataclasses.replace(problem, row=0), problem)
    return list(first.values())


def _repeated_ids(path: Path, problems: list[Problem]) -> list[Finding]:
    first: dict[str, int] = {}
    return [
        Finding(
            place(path, problem.row),
            f"its id {shown(problem.problem_id)} is also that of row {first[problem.problem_id]}",
            "Give each row its own id, or remove one of the two.",
        )
        for problem in problems
        if first.setdefault(problem.problem_id, problem.row) != problem.row
    ]


def _id_column(definition: Mapping[str, object]) -> str | None:
    return definition.get("id") or (definition.get("columns") or {}).get("id")


def _columns_used(definition: Mapping[str, object]) -> list[str]:
    columns = [*_NEEDED[definition["format"]], *(definition.get("columns") or {}).values()]
    return [*columns, definition["id"]] if definition.get("id") else columns


def _check_definition(name: str, definition: Mapping[str, object]) -> None:
    where = f"source {name!r}"
    if definition.get("format") not in FORMATS:
        what = f"format is {shown(definition.get('format'))}"
        raise bad(where, what, f"Use one of {', '.join(FORMATS)}.")
    if variant(definition) not in VARIANTS:
        raise bad(where, f"variant is {shown(variant(definition))}", "Use clean or corrupted.")
    if definition.get("bad_rows", "stop") not in ("stop", "record"):
        what = f"bad_rows is {shown(definition['bad_rows'])}"
        raise bad(where, what, "Use stop or record.")
    if definition["format"] != "columns":
        return
    columns = definition.get("columns") or {}
    unknown = sorted(set(columns) - {"question", "solution", "answer", "steps", "id", "reasoning"})
    if unknown or "question" not in columns or not {"solution", "answer"} & set(columns):
        what = f"columns maps {', '.join(map(repr, columns)) or 'nothing'}"
        mend = "Map question, at least one of solution and answer; steps, id and reasoning may be."
        raise bad(where, what, mend)
