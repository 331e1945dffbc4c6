"""The frame of a job that makes rollouts: reuse the rows that are kept, make the others, write."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.fetched_model import at_hand
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.own_gpu import take_gpu
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.stretches import Ahead, Given, Make, Part, Stretches
from cotsieve.rollouts.table import failures, writing_rollouts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """How a model is run; changes no result, but where a number format lets a row depend on those
    it is run with."""

    noted: Mapping[str, str]
    """Where the parts of the model lie, on the machine that planned or fetched them."""
    places: Mapping[str, tuple[str, str | None, str]]
    """Part → folder or repository, revision, and what is needed of it."""
    device: str
    batch_rows: int | str
    threads: int
    held_rows: int
    """Rows that are in memory at once."""

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
    make: Make,
    held_rows: int,
    given: Given | None = None,
    ahead: Iterable[Ahead] = (),
) -> None:
    """Write the rollouts of `problems` under the conditions of `recipe` to `output`.

    `make` yields the rows that are neither given nor kept; it is called only where there are any,
    so that no model is loaded in vain. Once it is, what the shards in `ahead` miss is made as well,
    and their tables are kept for their own jobs.
    """
    started, rows, failed = time.perf_counter(), 0, 0
    work = Stretches(recipe, samples, held_rows)
    with kept.alone():
        with (
            writing_rollouts(output, recipe.origin()) as add,
            closing(work.of(problems, kept, given, ahead)) as stretches,
        ):
            for stretch in stretches:
                work.fill(stretch, make)
                for part in stretch:
                    table = work.table(part)
                    if part.kept is kept:
                        add(table)
                        rows, failed = rows + len(table), failed + failures(table)
                    else:
                        _finish(part, table, recipe)
        kept.finish(output, len(problems), rows, failed)
    log.info("%d rows, %d of them failed, %.1f s", rows, failed, time.perf_counter() - started)


def _finish(part: Part, table: pa.Table, recipe: Recipe) -> None:
    """Keep the table of another shard, which its job then need not make; not if a row failed."""
    if not failures(table):
        with writing_rollouts(part.kept.table, recipe.origin()) as add:
            add(table)
        part.kept.close(len(part.problems), len(table), 0)
    part.lock.close()


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
