"""Failed rollouts by kind: reasons that differ in their numbers and quoted words alone are one."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_VARIES = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])|'[^']*'|\"[^\"]*\"")
_MOST_WORDS = 2
"""So many quoted words of a kind are named."""


class Failure(NamedTuple):
    """A rollout that could not be made or graded."""

    sweep: str
    condition: str
    problem_id: str
    error: str


class Kind(NamedTuple):
    """Failures of one kind in one sweep."""

    sweep: str
    error: str
    """The reason, with the range of each number that differs: "too long: 413 to 9,120 tokens"."""
    conditions: tuple[str, ...]
    """In order of appearance."""
    problem_ids: tuple[str, ...]
    """Each once, in order of appearance."""
    rollouts: int


def kinds(failures: Iterable[Failure]) -> list[Kind]:
    """The kinds of failures, those with most rollouts first."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.sweep, _VARIES.sub("\0", failure.error)), []).append(failure)
    found = [
        Kind(
            sweep,
            _told(template, [_VARIES.findall(failure.error) for failure in group]),
            tuple(dict.fromkeys(failure.condition for failure in group)),
            tuple(dict.fromkeys(failure.problem_id for failure in group)),
            len(group),
        )
        for (sweep, template), group in groups.items()
    ]
    return sorted(found, key=lambda kind: (-kind.rollouts, kind.sweep, kind.error))


def _told(template: str, values: list[list[str]]) -> str:
    pieces = template.split("\0")
    ranges = [_range(list(dict.fromkeys(column))) for column in zip(*values, strict=True)]
    return "".join(piece + told for piece, told in zip(pieces, [*ranges, ""], strict=True))


def _range(values: list[str]) -> str:
    """What stands at one place: the one value, the ends of several numbers, or some words."""
    if len(values) == 1:
        return values[0]
    if values[0][0] in "'\"":
        return ", ".join(values[:_MOST_WORDS]) + (" …" if len(values) > _MOST_WORDS else "")
    order = sorted(values, key=lambda value: float(value.replace(",", "")))
    return f"{_grouped(order[0])} to {_grouped(order[-1])}"


def _grouped(number: str) -> str:
    return f"{int(number):,}" if number.isdigit() else number
