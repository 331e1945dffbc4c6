"""Turn a row of a data file into a problem, whatever the format of the file."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
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
from cotsieve.problems.files.records import refuse
from cotsieve.problems.problem import UNKNOWN, Problem, count_steps, difficulty

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
_WELCOME = {"math": ("unique_id",), "math500": ("unique_id",), "deepscaler": ("solution",)}
"""Columns that a file need not have."""


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


def left_out(definition: Mapping[str, object], record: dict) -> str | None:
    """Why a row is not asked for, if it is not: by which field it was not selected."""
    for field, values in (definition.get("where") or {}).items():
        try:
            value = cell(record, field)
        except RowFault:
            value = None
        if value not in values and (value is None or str(value) not in map(str, values)):
            return f"{field} is another"
    return None


def leaves_unanswered(definition: Mapping[str, object]) -> bool:
    """Whether rows without an answer are left out; else they are bad rows.

    Most rows of AM-DeepSeek-R1-Distilled are programs and instructions.
    """
    chosen = definition.get("unanswered")
    return chosen == "leave_out" or (chosen is None and definition["format"] == "am")


def check_columns(path: Path, existing: Sequence[str], columns: Iterable[str]) -> None:
    """Raise BadInput for columns that no row of the file has."""
    refuse(
        Finding(
            str(path),
            f"no row has a column {column!r}",
            f"Columns there: {shown(existing, 800)}. With format: columns, `columns` names them.",
        )
        for column in columns
        if column not in existing and column.partition(".")[0] not in existing
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
    if definition.get("answers") == "boxed":
        return Row(**cells, answer_is="boxed")
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


def problem_of(name: str, definition: Mapping[str, object], row: int, record: dict) -> Problem:
    """The problem of a row. Raises RowFault when it cannot be used."""
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


def failed_problem(
    name: str, definition: Mapping[str, object], row: int, record: dict, fault: RowFault
) -> Problem:
    """The problem of a row that cannot be used, with what can be read of it and the reason."""
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


def _id_column(definition: Mapping[str, object]) -> str | None:
    return definition.get("id") or (definition.get("columns") or {}).get("id")


def columns_needed(definition: Mapping[str, object]) -> list[str]:
    """The columns a file must have."""
    columns = [*_NEEDED[definition["format"]], *(definition.get("columns") or {}).values()]
    columns += definition.get("where") or ()
    return [*columns, definition["id"]] if definition.get("id") else columns


def columns_read(definition: Mapping[str, object]) -> set[str]:
    """The columns that are looked at, of those that a file has."""
    named = {*columns_needed(definition), *_WELCOME.get(definition["format"], ())}
    return named | {column.partition(".")[0] for column in named}


def check_definition(name: str, definition: Mapping[str, object]) -> None:
    """Raise BadInput unless a definition says how to read a source."""
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
    if definition.get("answers") == "boxed" and "solution" not in columns:
        raise bad(where, "answers is boxed, and columns maps no solution", "Map solution.")
