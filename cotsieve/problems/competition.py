"""Rows of competition mathematics, whose answers are LaTeX: MATH, MATH-500 and DeepScaleR."""

import re
from collections.abc import Mapping

from cotsieve.problems.cells import MOST_STEPS, Row, RowFault, cell, plain_text, shown

MATH = ("problem", "level", "type", "solution")
MATH500 = ("problem", "solution", "answer", "subject", "level")
DEEPSCALER = ("problem", "answer")

_LEVEL = re.compile(r"(?:Level\s+)?(\d{1,9}|\?)")


def math_row(record: Mapping[str, object]) -> Row:
    """A row of MATH (Hendrycks et al. 2021); the answer is what the solution's last box holds.

    A solution without a box, or whose last box is empty as in two rows of the training split, makes
    a bad row. An own column `answer` is not read: it may disagree with the solution.
    """
    return _leveled(record, "type")._replace(answer_is="boxed")


def math500_row(record: Mapping[str, object]) -> Row:
    """A row of MATH-500 (Lightman et al. 2023), which gives the answer in its own column."""
    return _leveled(record, "subject")._replace(answer=cell(record, "answer"), answer_is="text")


def deepscaler_row(record: Mapping[str, object]) -> Row:
    """A row of DeepScaleR (Luo et al. 2025); most of its solutions are empty, so none is asked for.

    Its own difficulty is no level of MATH and is not read.
    """
    return Row(
        question=cell(record, "problem"),
        solution=record.get("solution") or None,
        answer=cell(record, "answer"),
        answer_is="text",
    )


def _leveled(record: Mapping[str, object], subject: str) -> Row:
    """A row with a level and, in the column `subject`, what it is about; its answer is not read."""
    level, fault = _level(cell(record, "level"))
    return Row(
        question=cell(record, "problem"),
        solution=cell(record, "solution"),
        level=level,
        subject=_subject(cell(record, subject)),
        fault=fault,
    )


def _level(value: object) -> tuple[int | None, RowFault | None]:
    """A level such as "Level 5", "5" or 5; "Level ?", which two rows of MATH have, is none."""
    if value is None:
        return None, None
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_STEPS:
        return value, None
    found = _LEVEL.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        return (None if found[1] == "?" else int(found[1])), None
    fault = RowFault(f"the level is {shown(value)}", 'Write it like "Level 5" or 5.')
    return None, fault


def _subject(value: object) -> str | None:
    return plain_text("subject", value).strip() or None if isinstance(value, str) else None
