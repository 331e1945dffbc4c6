"""The frame of a job that makes rollouts: reuse the rows that are kept, make the others, write."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotsieve.ground import tables
from cotsieve.ground.stopping import before_the_end
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.fetched_model import at_hand
from cotsieve.rollouts.kept import KeptRows, Row, reusable
from cotsieve.rollouts.own_gpu import take_gpu
from cotsieve.rollouts.progress import Progress, rows_wanted
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

log = logging.getLogger(__name__)

Key = tuple[str, str, int]
"""Problem id, condition, sample."""
Pairs = tuple[tuple[str, int], ...]
"""(condition, sample) pairs."""
Missing = Mapping[Pairs, list[Problem]]
"""What is missing → the problems that miss just this."""


@dataclass(frozen=True)
class Running:
    """How a model is run; changes no result, but for `batch_rows` in narrow number formats."""

    noted: Mapping[str, str]
    """Where the parts of the model lie, on the machine that planned or fetched them."""
    places: Mapping[str, tuple[str, str | None, str]]
    """Part → folder or repository, revision, and what is needed of it."""
    device: str
    batch_rows: int | str
    threads: int

    @property
    def files(self) -> dict[str, str]:
        """Where the parts of the model lie here."""
        return at_hand(self.noted, self.places)


def run_shard(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    recipe: Recipe,
    samples: int,
    kept: KeptRows,
    make: Callable[[Missing], Iterator[list[Row]]],
    given: Sequence[Row] = (),
    ahead: Iterable["Ahead"] = (),
) -> None:
    """Write the rollouts of `problems` under the conditions of `recipe` to `output`.

    `given` rows are taken as they are. `make` yields the rows that are neither given nor kept; it
    is called only if there are any, so that no model is loaded in vain. Once it is, what the shards
    in `ahead` miss is made as well, and their tables are kept for their own jobs.
    """
    started = time.perf_counter()
    rows = {_key(row): row for row in given}
    wanted = _wanted(problems, recipe, samples)
    with kept.alone(), contextlib.ExitStack() as others:
        rows |= _reused(kept, recipe, [item for item in wanted if _named(*item) not in rows])
        reused = len(rows) - len(given)
        log.info("%d problems; %d rows are kept from before", len(problems), reused)
        missing = _missing(rows, wanted)
        if missing:
            homes = dict.fromkeys((problem.problem_id for problem in problems), kept)
            taken = [
                shard for shard in ahead if _take(shard, recipe, samples, missing, homes, others)
            ]
            rows |= _made(make, missing, homes, kept)
            for shard in taken:
                _finish(shard, recipe, samples)
        ordered = [rows[_named(*item)] for item in wanted]
        tables.write(ordered, output, ROLLOUTS, recipe.origin())
        kept.finish(output, ordered)
    failed = sum(row["finish_reason"] == "failed" for row in ordered)
    seconds = time.perf_counter() - started
    log.info("%d rows, %d of them failed, %.1f s", len(ordered), failed, seconds)


@dataclass(frozen=True)
class Ahead:
    """Another shard that a job may work on once its model is loaded."""

    problems: Sequence[Problem]
    kept: KeptRows


def _take(
    shard: Ahead,
    recipe: Recipe,
    samples: int,
    missing: dict[Pairs, list[Problem]],
    homes: dict[str, KeptRows],
    locks: contextlib.ExitStack,
) -> bool:
    """Add what a shard misses to the work, if anything, unless another job is at it."""
    with contextlib.ExitStack() as lock:
        if not lock.enter_context(shard.kept.alone_now()):
            return False
        wanted = _wanted(shard.problems, recipe, samples)
        absent = _missing(_reused(shard.kept, recipe, wanted), wanted)
        if absent:
            for pairs, problems in absent.items():
                missing.setdefault(pairs, []).extend(problems)
            homes.update(dict.fromkeys((p.problem_id for p in shard.problems), shard.kept))
            locks.push(lock.pop_all())
        return bool(absent)


def _finish(shard: Ahead, recipe: Recipe, samples: int) -> None:
    """Keep the table of a shard, which its own job then need not make; not if a row is missing."""
    wanted = _wanted(shard.problems, recipe, samples)
    rows = _reused(shard.kept, recipe, wanted)
    if len(rows) == len(wanted):
        ordered = [rows[_named(*item)] for item in wanted]
        tables.write(ordered, shard.kept.table, ROLLOUTS, recipe.origin())
        shard.kept.close(ordered)


def _made(
    make: Callable[[Missing], Iterator[list[Row]]],
    missing: Missing,
    homes: Mapping[str, KeptRows],
    own: KeptRows,
) -> dict[Key, Row]:
    """Make the rows that are missing and return the own ones; the others are on disk alone.

    Whatever ends the job, those that are finished are kept.
    """
    rows: dict[Key, Row] = {}
    progress = None
    tables.load_converters()
    with contextlib.ExitStack() as ending:
        for kept in {id(kept): kept for kept in homes.values()}.values():
            ending.callback(kept.flush)
            ending.enter_context(before_the_end(kept.flush))
        for finished in make(missing):
            progress = progress or Progress(rows_wanted(missing))  # the model is loaded by now
            rows |= {_key(row): row for row in finished if homes[row["problem_id"]] is own}
            for kept, group in _by_home(finished, homes):
                kept.add(group)
            progress.add(finished)
    return rows


def _by_home(
    rows: Sequence[Row], homes: Mapping[str, KeptRows]
) -> Iterator[tuple[KeptRows, list[Row]]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(id(homes[row["problem_id"]]), []).append(row)
    for group in groups.values():
        yield homes[group[0]["problem_id"]], group


def _wanted(
    problems: Sequence[Problem], recipe: Recipe, samples: int
) -> list[tuple[Problem, str, int]]:
    return [
        (problem, condition, sample)
        for problem in problems
        for condition in recipe.conditions
        for sample in range(samples)
    ]


def _key(row: Row) -> Key:
    return row["problem_id"], row["condition"], row["sample"]


def _named(problem: Problem, condition: str, sample: int) -> Key:
    return problem.problem_id, condition, sample


def _reused(
    kept: KeptRows, recipe: Recipe, wanted: Sequence[tuple[Problem, str, int]]
) -> dict[Key, Row]:
    keys = {_named(*item): recipe.row_key(*item) for item in wanted}
    found = kept.find(keys.values())
    return {
        key: reusable(found[row_key], *key) for key, row_key in keys.items() if row_key in found
    }


def _missing(
    rows: Mapping[Key, Row], wanted: Sequence[tuple[Problem, str, int]]
) -> dict[Pairs, list[Problem]]:
    absent: dict[Problem, list[tuple[str, int]]] = {}
    for problem, condition, sample in wanted:
        if _named(problem, condition, sample) not in rows:
            absent.setdefault(problem, []).append((condition, sample))
    groups: dict[Pairs, list[Problem]] = {}
    for problem, pairs in absent.items():
        groups.setdefault(tuple(pairs), []).append(problem)
    return groups


def with_torch(running: Running, load: Callable[[], Any]) -> Any:
    """Load a model with the threads of the job, and say how long that took."""
    take_gpu(running.device)
    import torch

    torch.set_num_threads(running.threads)
    started = time.perf_counter()
    loaded = load()
    device = loaded.engine.decoder.device
    log.info("model loaded on %s in %.1f s", device, time.perf_counter() - started)
    return loaded
