"""The frame of a job that makes rollouts: reuse the rows that are kept, make the others, write."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.own_gpu import take_gpu
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.stretches import Ahead, Given, Make, Part, Stretches
from cotsieve.rollouts.table import failures, writing_rollouts
from cotsieve.weights.hub import resolve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """How a model is run. It changes no result, unless the number format lets a row depend on the
    rows that it is run with."""

    noted: Mapping[str, str]
    """Where the parts of the model lie, on the machine that planned or fetched them."""
    places: Mapping[str, tuple[str, str | None, str]]
    """Part → folder or repository, revision, and what is needed of it."""
    device: str
    batch_rows: int | str
    threads: int
    held_rows: int
    """Rows that are made together; the memory of a job is a small multiple of theirs."""

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
    started, own = time.perf_counter(), _Own(output, problems, recipe, kept)
    work = Stretches(recipe, samples, held_rows)
    with (
        kept.alone(),
        contextlib.closing(work.of(problems, kept, given, ahead)) as stretches,
        contextlib.ExitStack() as writing,
    ):
        for stretch in stretches:
            work.fill(stretch, make)
            while stretch:  # none of them stays in memory while the next ones are made
                part = stretch.pop(0)
                if part.kept is kept:
                    own.add(part.problems, work.table(part), writing)
                else:
                    if part.whole:
                        _finish(part, work.table(part), recipe)
                    part.lock.close()
    seconds = time.perf_counter() - started
    told = "%d rows, %d of them failed, %d made, %.1f s"
    log.info(told, own.rows, own.failed, work.made, seconds)


@dataclass(frozen=True)
class Job:
    """What a job is given that makes rollouts of a shard, of whatever kind."""

    output: str | Path
    problems: Sequence[Problem]
    model: Mapping[str, Any]
    """Its full definition,"""
    decoding: Mapping[str, Any]
    """and that of how its text is decoded."""
    recipe: Recipe
    running: Running
    kept: KeptRows
    ahead: Iterable[Ahead] = ()
    """Other shards to make rows of, once the model is loaded."""

    def run(self, make: Make, samples: int, given: Given | None = None) -> None:
        """Write the table: `run_shard` with what the job was given."""
        run_shard(
            self.output,
            problems=self.problems,
            recipe=self.recipe,
            samples=samples,
            kept=self.kept,
            make=make,
            held_rows=self.running.held_rows,
            given=given,
            ahead=self.ahead,
        )

    def loaded(self, load: Callable[..., Any]) -> Any:
        """The model, loaded by one of the loaders of the engines, and how long that took told."""
        running = self.running
        return with_torch(
            running,
            lambda: load(
                self.model,
                running.files,
                self.decoding,
                device=running.device,
                batch_rows=running.batch_rows,
            ),
        )


@dataclass
class _Own:
    """The table of the job's own shard."""

    output: str | Path
    problems: Sequence[Problem]
    recipe: Recipe
    kept: KeptRows
    done: int = 0
    """Problems whose rows are in it."""
    rows: int = 0
    failed: int = 0
    _add: Callable[[pa.Table], None] | None = None

    def add(self, some: Sequence[Problem], table: pa.Table, writing: contextlib.ExitStack) -> None:
        """Add the rows of the next problems; with the last ones the table appears, and is kept.

        It is opened on `writing` with the first ones, so that most jobs, which have one part, leave
        nothing half-written when they are killed.
        """
        if self._add is None:
            self._add = writing.enter_context(writing_rollouts(self.output, self.recipe.origin()))
        self._add(table)
        self.done += len(some)
        self.rows += len(table)
        self.failed += failures(table)
        if self.done == len(self.problems):
            writing.close()
            self.kept.finish(self.output, self.done, self.rows, self.failed)


def _finish(part: Part, table: pa.Table, recipe: Recipe) -> None:
    """Keep the table of another shard, which its job then need not make; not if a row failed."""
    if not failures(table):
        with writing_rollouts(part.kept.table, recipe.origin()) as add:
            add(table)
        part.kept.close(len(part.problems), len(table), 0)


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


log = logging.getLogger(__name__)


def at_hand(
    noted: Mapping[str, str], places: Mapping[str, tuple[str, str | None, str]]
) -> dict[str, str]:
    """Part → its folder here; one that this machine does not have is fetched once more.

    `noted` are the folders where another job fetched to, `places` repository, revision and what is
    needed of it. Raises BadInput when the hub is out of reach.
    """
    found = {}
    for part, folder in noted.items():
        if not Path(folder).exists():
            repository, revision, kind = places[part]
            log.info("%s is not on this machine; fetching %s", folder, repository)
            folder = str(resolve(repository, _commit(Path(folder)) or revision, kind).resolve())
        found[part] = folder
    return found


def _commit(folder: Path) -> str | None:
    """The commit a folder of the hub's cache is a snapshot of."""
    return folder.name if folder.parent.name == "snapshots" else None
