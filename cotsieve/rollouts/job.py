"""The frame of a job that makes rollouts: reuse the rows that are kept, make the others, write."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.kept import KeptRows, Row, reusable
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

log = logging.getLogger(__name__)

Key = tuple[str, str, int]
"""Problem id, condition, sample."""
Missing = Mapping[tuple[tuple[str, int], ...], list[Problem]]
"""(condition, sample) pairs → the problems that miss just these."""


@dataclass(frozen=True)
class Running:
    """How a model is run; nothing here changes a result."""

    files: Mapping[str, str]
    """Where the parts of the model lie on this machine."""
    device: str
    batch_rows: int
    threads: int


def run_shard(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    recipe: Recipe,
    samples: int,
    kept: KeptRows,
    make: Callable[[Missing], Iterator[list[Row]]],
    given: Sequence[Row] = (),
) -> None:
    """Write the rollouts of `problems` under the conditions of `recipe` to `output`.

    `given` rows are taken as they are. `make` yields the rows that are neither given nor kept; it
    is called only if there are any, so that no model is loaded in vain.
    """
    started = time.perf_counter()
    rows = {_key(row): row for row in given}
    wanted = [
        (problem, condition, sample)
        for problem in problems
        for condition in recipe.conditions
        for sample in range(samples)
    ]
    with kept.alone():
        rows |= _reused(kept, recipe, [item for item in wanted if _named(*item) not in rows])
        reused = len(rows) - len(given)
        log.info("%d problems; %d rows are kept from before", len(problems), reused)
        rows |= _made(make, _missing(rows, wanted), kept)
        ordered = [rows[_named(*item)] for item in wanted]
        tables.write(ordered, output, ROLLOUTS, recipe.origin())
        kept.finish(output)
    failed = sum(row["finish_reason"] == "failed" for row in ordered)
    seconds = time.perf_counter() - started
    log.info("%d rows, %d of them failed, %.1f s", len(ordered), failed, seconds)


def _made(
    make: Callable[[Missing], Iterator[list[Row]]], missing: Missing, kept: KeptRows
) -> dict[Key, Row]:
    """Make the rows that are missing; whatever ends the job, those that are finished are kept."""
    rows: dict[Key, Row] = {}
    try:
        for finished in make(missing) if missing else ():
            rows |= {_key(row): row for row in finished}
            kept.add(finished)
    finally:
        kept.flush()
    return rows


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


def _missing(rows: Mapping[Key, Row], wanted: Sequence[tuple[Problem, str, int]]) -> Missing:
    absent: dict[Problem, list[tuple[str, int]]] = {}
    for problem, condition, sample in wanted:
        if _named(problem, condition, sample) not in rows:
            absent.setdefault(problem, []).append((condition, sample))
    groups: dict[tuple[tuple[str, int], ...], list[Problem]] = {}
    for problem, pairs in absent.items():
        groups.setdefault(tuple(pairs), []).append(problem)
    return groups


def with_torch(running: Running, load: Callable[[], Any]) -> Any:
    """Load a model with the threads of the job, and say how long that took."""
    import torch

    torch.set_num_threads(running.threads)
    started = time.perf_counter()
    loaded = load()
    device = loaded.engine.decoder.device
    log.info("model loaded on %s in %.1f s", device, time.perf_counter() - started)
    return loaded
