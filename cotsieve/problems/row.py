"""The cells of one row of a file, whatever its format, before they are checked."""

from collections.abc import Mapping
from typing import NamedTuple

from cotsieve.problems.cells import RowFault


class Row(NamedTuple):
    """What a row says about its problem."""

    question: object
    solution: object = None
    answer: object = None
    steps: object = None
    answer_is: str = "number"
    """Where the answer stands and what it is: "number" and "text" are in `answer`, "marked" is the
    number behind #### in the solution, "boxed" is the text in the solution's last box."""
    level: int | None = None
    subject: str | None = None
    reasoning: object = None
    """A written chain of thought that came with the problem."""
    fault: RowFault | None = None
    """Why the row cannot be used although its question can be read."""


def cell(record: Mapping[str, object], column: str) -> object:
    """A row's value in a column; RowFault when the row lacks the column."""
    if column not in record:
        raise RowFault(f"it has no {column!r}", f"Add {column!r} to the row.")
    return record[column]


def inner(record: Mapping[str, object], column: str) -> Mapping[str, object]:
    """A row's object in a column; RowFault when it is none."""
    value = cell(record, column)
    if not isinstance(value, Mapping):
        raise RowFault(f"{column!r} is {value!r:.60}, not an object", "Write an object there.")
    return value
