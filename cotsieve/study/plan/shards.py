"""Shards: fixed ranges of rows of a source, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotsieve.ground.seeds import digest
from cotsieve.problems.problem import Problem

Groups = dict[tuple[str, int], list[Problem]]
"""(source, number of a shard) → its problems."""


@dataclass(frozen=True)
class Shard:
    """A range of rows of a source, and what it holds."""

    source: str
    index: int
    rows: int
    """Problems it holds; for a source that may not be fetched yet, at most."""
    prompts: str
    """Digest of what generation reads: ids and questions, in order."""
    references: str
    """Digest of what grading reads: ids and reference answers."""

    @property
    def name(self) -> str:
        return f"{self.source}/{self.index:04d}"


def grouped(problems: Sequence[Problem], size: int) -> Groups:
    """Problems by shard, where a shard has `size` rows of its source."""
    groups: Groups = {}
    for problem in problems:
        groups.setdefault((problem.source, problem.row // size), []).append(problem)
    return groups


def exact_shards(problems: Sequence[Problem], size: int) -> list[Shard]:
    """The shards of candidates that are all known."""
    return [
        Shard(source, index, len(found), prompts_digest(found), references_digest(found))
        for (source, index), found in grouped(problems, size).items()
    ]


def prompts_digest(problems: list[Problem]) -> str:
    """Digest of what generation reads of problems."""
    return digest([prompt_of(problem) for problem in problems])


def prompt_of(problem: Problem) -> list[str | None]:
    """What generation reads of a problem."""
    read = [problem.problem_id, problem.question, problem.error]
    return read if problem.reasoning is None else [*read, problem.reasoning]


def references_digest(problems: list[Problem]) -> str:
    """Digest of what grading reads of problems."""
    return digest([[problem.problem_id, problem.answer] for problem in problems])
