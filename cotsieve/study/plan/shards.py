"""Shards: fixed ranges of rows of a source, and what they hold."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from cotsieve.ground.files import remember, remembered
from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Pool
from cotsieve.problems.index import prompt_of, reference_of
from cotsieve.problems.problem import Problem

MOST_REMEMBERED = 50_000
"""Digests of so many shards are remembered for a source."""


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


def cut(pool: Pool, size: int, index: int) -> Pool:
    """The problems of a shard, where a shard has `size` rows of its source."""
    low, high = np.searchsorted(pool.field("row"), (index * size, (index + 1) * size))
    return pool._replace(places=pool.places[low:high])


def exact_shards(pool: Pool, size: int) -> list[Shard]:
    """The shards of candidates that are all known."""
    numbers, starts = np.unique(pool.field("row") // size, return_index=True)
    parts = np.split(pool.places, starts[1:]) if len(starts) else []
    known, shards = _Known(pool), []
    for number, places in zip(numbers.tolist(), parts, strict=True):
        prompts, references = known.digests(pool._replace(places=places))
        shards.append(Shard(pool.catalogue.name, number, len(places), prompts, references))
    known.save()
    return shards


def prompts_digest(problems: Iterable[Problem]) -> str:
    """Digest of what generation reads of problems."""
    return digest([prompt_of(problem) for problem in problems])


def references_digest(problems: Iterable[Problem]) -> str:
    """Digest of what grading reads of problems."""
    return digest([reference_of(problem) for problem in problems])


class _Known:
    """The digests of shards, which are of their texts; remembered by what the index says of them.

    So the texts are read when a shard is planned for the first time, and not again.
    """

    def __init__(self, pool: Pool):
        self._note = pool.catalogue.folder / "shards.json"
        self._used: dict[str, list[str]] = {}
        self._noted: dict[str, list[str]] = remembered(self._note) or {}

    def digests(self, shard: Pool) -> list[str]:
        """Of what generation reads, and of what grading reads."""
        key = shard.content(("prompt", "reference"))
        found = self._noted.get(key)
        if found is None:
            problems = list(shard.problems())
            found = [prompts_digest(problems), references_digest(problems)]
        self._used[key] = found
        return found

    def save(self) -> None:
        """Write what was not known before."""
        if not self._used.keys() <= self._noted.keys():
            everything = {**self._noted, **self._used}
            shards = dict(list(everything.items())[-MOST_REMEMBERED:])
            with suppress(OSError):  # a full disk costs time, nothing else
                remember(self._note, shards)
