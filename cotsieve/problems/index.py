"""What planning knows of a problem without its text: 64 bytes, in which no two problems are alike.

Digests in it tell apart what generation sees, what grading sees, and the rest, so that nothing but
this need be read to know which shards an edit concerns.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from cotsieve.problems.problem import Problem, written_chain

ENTRY = np.dtype(
    [
        ("question", "<u8"),  # digest of the question without blanks at the ends
        ("identity", "<u8"),  # digest of the id without blanks at the ends
        ("reference", "<u8"),  # digest of what grading sees
        ("rest", "<u8"),  # digest of what neither sees
        ("prompt", "V12"),  # digest of what generation sees
        ("row", "<u4"),
        ("kind", "<u4"),  # place in the list of kinds
        ("solution", "<i4"),  # characters, -1 where there is none
        ("chain", "<u4"),  # words of the chain of thought that came with the problem
        ("asked", "<u4"),  # bytes of the question
    ]
)
DECIDES = ["prompt", "reference", "rest", "row"]
"""The parts that change when anything about a problem does."""


class Kind(NamedTuple):
    """What many problems share: by what they are sorted into strata."""

    stratum: str
    level: int | None
    subject: str | None
    failed: bool
    """The row cannot be used."""


def prompt_of(problem: Problem) -> list[str | None]:
    """What generation reads of a problem."""
    read = [problem.problem_id, problem.question, problem.error]
    return read if problem.reasoning is None else [*read, problem.reasoning]


def reference_of(problem: Problem) -> list[str]:
    """What grading reads of a problem."""
    return [problem.problem_id, problem.answer]


def kind_of(problem: Problem) -> Kind:
    """The kind of a problem."""
    return Kind(problem.stratum, problem.level, problem.subject, problem.error is not None)


def entry(problem: Problem, kind: int) -> tuple:
    """The fields of ENTRY for a problem whose kind has the number `kind`."""
    chain = written_chain(problem)
    return (
        key_of(problem.question),
        key_of(problem.problem_id),
        *(int.from_bytes(part, "little") for part in (_reference(problem), _rest(problem))),
        _digest(prompt_of(problem))[:12],
        problem.row,
        kind,
        -1 if problem.solution is None else len(problem.solution),
        len(chain.split()),
        len(problem.question.encode()),
    )


def is_entry_of(found: np.void, problem: Problem) -> bool:
    """Whether an entry is that of a problem."""
    return (
        found["prompt"].tobytes() == _digest(prompt_of(problem))[:12]
        and int(found["reference"]) == int.from_bytes(_reference(problem), "little")
        and int(found["rest"]) == int.from_bytes(_rest(problem), "little")
    )


def key_of(text: str) -> int:
    """The first eight bytes of the digest of a text without its blanks at the ends."""
    return int.from_bytes(hashlib.sha256(text.strip().encode()).digest()[:8], "big")


def _reference(problem: Problem) -> bytes:
    return _digest(reference_of(problem))[:8]


def _rest(problem: Problem) -> bytes:
    about = (problem.steps, problem.level)
    numbers = (None if number is None else str(number) for number in about)
    return _digest([problem.solution, problem.stratum, problem.subject, *numbers])[:8]


def _digest(parts: Iterable[str | None]) -> bytes:
    told = "".join("-" if part is None else f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(told.encode()).digest()
