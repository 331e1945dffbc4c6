"""Stretches of problems a job works on at a time: which of their rows are there, which it makes.

So the memory of a job follows `engine.held_rows` and not the size of its shard. Once a model is
loaded, a stretch goes on into other shards.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa

from cotsieve.ground import tables
from cotsieve.ground.stopping import before_the_end
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.kept import KeptRows, Row
from cotsieve.rollouts.progress import Progress, rows_wanted
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.table import Key, in_order, keys, renamed

log = logging.getLogger(__name__)

Pairs = tuple[tuple[str, int], ...]
"""(condition, sample) pairs."""
Missing = Mapping[Pairs, list[Problem]]
"""What is missing → the problems that miss just this."""
Make = Callable[[Missing], Iterator[list[Row]]]
"""What is missing → its rows, as they are finished."""
Given = Callable[[Sequence[Problem]], pa.Table]
"""Some problems → rows of theirs that are taken as they are."""

MOST_SHARDS = 256
"""In one stretch: each has a lock, and a process may open few files."""


@dataclass(frozen=True)
class Ahead:
    """Another shard that a job may work on once its model is loaded."""

    problems: Sequence[Problem]
    kept: KeptRows


@dataclass
class Part:
    """Problems of one shard, the rows of theirs that are there, and what is missing."""

    problems: Sequence[Problem]
    kept: KeptRows
    there: list[pa.Table]
    missing: Missing
    whole: bool = True
    """Whether these are all problems of the shard."""
    lock: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Held while another job's shard is worked on."""


class Stretches:
    """The stretches of one job, each with parts of one shard or more."""

    def __init__(self, recipe: Recipe, samples: int, held_rows: int):
        self._recipe = recipe
        self._samples = samples
        self._most = max(1, held_rows // (len(recipe.conditions) * samples))
        self._progress: Progress | None = None
        self._incomplete = False

    @property
    def made(self) -> int:
        """Rows that were made so far."""
        return self._progress.rows if self._progress else 0

    def of(
        self,
        problems: Sequence[Problem],
        kept: KeptRows,
        given: Given | None = None,
        ahead: Iterable[Ahead] = (),
    ) -> Iterator[list[Part]]:
        """The problems of a job, then those of other shards, as many together as may be held.

        The other shards are looked at only if the job itself misses something.
        """
        stretch: list[Part] = []
        with contextlib.ExitStack() as locks:
            for part in chain(self._own(problems, kept, given), self._others(ahead, locks)):
                count = sum(len(other.problems) for other in stretch) + len(part.problems)
                if stretch and (count > self._most or len(stretch) == MOST_SHARDS):
                    yield stretch
                    stretch = []
                stretch.append(part)
            yield stretch

    def fill(self, stretch: Sequence[Part], make: Make) -> None:
        """Make what is missing. Whatever ends the job, the rows that are finished are kept."""
        missing: dict[Pairs, list[Problem]] = {}
        homes: dict[str, KeptRows] = {}
        for part in stretch:
            for pairs, problems in part.missing.items():
                missing.setdefault(pairs, []).extend(problems)
                homes.update((problem.problem_id, part.kept) for problem in problems)
        if not missing:
            return
        tables.load_converters()
        with contextlib.ExitStack() as ending:
            for part in stretch:
                ending.enter_context(before_the_end(part.kept.flush))
                ending.callback(part.kept.flush)
            for number, finished in enumerate(make(missing)):
                self._progress = self._progress or Progress()  # the model is loaded by now
                if not number:
                    self._progress.expect(rows_wanted(missing))
                for kept, group in _by_home(finished, homes):
                    kept.add(group)
                self._progress.add(finished)
        for part in stretch:
            part.there.append(part.kept.take_added())

    def table(self, part: Part) -> pa.Table:
        """All rows of a filled part, in the order of its problems; the part forgets them."""
        wanted = (_named(*item) for item in self._wanted(part.problems))
        there, part.there = part.there, []
        return in_order(pa.concat_tables(there), wanted)

    def _own(
        self, problems: Sequence[Problem], kept: KeptRows, given: Given | None
    ) -> Iterator[Part]:
        start = 0
        for some in self._cut(problems):
            part, reused = self._part(some, kept, given(some) if given else None)
            place = f"problems {start + 1} to {start + len(some)} of {len(problems)}"
            told = f"{len(problems)} problems" if len(some) == len(problems) else place
            log.info("%s; %d rows are kept from before", told, reused)
            self._incomplete = self._incomplete or bool(part.missing)
            start += len(some)
            yield part

    def _cut(self, problems: Sequence[Problem]) -> Iterator[Sequence[Problem]]:
        """As many as may be held at once; of no problems one part, which is empty."""
        starts = range(0, max(len(problems), 1), self._most)
        return (problems[start : start + self._most] for start in starts)

    def _others(self, ahead: Iterable[Ahead], locks: contextlib.ExitStack) -> Iterator[Part]:
        """Shards that miss something and that no other job is at, or parts of larger ones.

        The rows of parts are kept for the shard's own job, which then needs no model.
        """
        for shard in ahead if self._incomplete else ():
            lock = locks.enter_context(contextlib.ExitStack())
            if not lock.enter_context(shard.kept.alone_now()):
                lock.close()
                continue
            whole, complete = len(shard.problems) <= self._most, True
            for some in self._cut(shard.problems):
                part, _ = self._part(some, shard.kept)
                if part.missing:
                    complete = False
                    part.whole = whole
                    if whole:  # of several parts the last may be filled long after it is yielded
                        part.lock = lock
                    yield part
            if complete:
                lock.close()

    def _part(
        self, problems: Sequence[Problem], kept: KeptRows, given: pa.Table | None = None
    ) -> tuple[Part, int]:
        """Some problems, and how many of their rows were made before."""
        wanted = self._wanted(problems)
        there = [] if given is None else [given]
        named = {key for table in there for key in keys(table)}
        row_keys = {
            _named(*item): self._recipe.row_key(*item)
            for item in wanted
            if _named(*item) not in named
        }
        reused = renamed(kept.find(row_keys.values()), row_keys)
        missing = _missing(wanted, named.union(keys(reused)))
        return Part(problems, kept, [*there, reused], missing), len(reused)

    def _wanted(self, problems: Sequence[Problem]) -> list[tuple[Problem, str, int]]:
        return [
            (problem, condition, sample)
            for problem in problems
            for condition in self._recipe.conditions
            for sample in range(self._samples)
        ]


def _by_home(
    rows: Sequence[Row], homes: Mapping[str, KeptRows]
) -> Iterator[tuple[KeptRows, list[Row]]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(id(homes[row["problem_id"]]), []).append(row)
    for group in groups.values():
        yield homes[group[0]["problem_id"]], group


def _named(problem: Problem, condition: str, sample: int) -> Key:
    return problem.problem_id, condition, sample


def _missing(
    wanted: Sequence[tuple[Problem, str, int]], there: set[Key]
) -> dict[Pairs, list[Problem]]:
    absent: dict[Problem, list[tuple[str, int]]] = {}
    for problem, condition, sample in wanted:
        if _named(problem, condition, sample) not in there:
            absent.setdefault(problem, []).append((condition, sample))
    groups: dict[Pairs, list[Problem]] = {}
    for problem, pairs in absent.items():
        groups.setdefault(tuple(pairs), []).append(problem)
    return groups
