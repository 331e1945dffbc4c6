"""Rows that need not be computed again: of a job that was stopped, and of earlier results.

Beside the results of a model lies a folder of kept rows. A running job adds its finished rows to it
in small files; a finished one leaves its whole table there. A row is found by its key, a digest of
everything that determines it, so a row made under other settings is never taken for this one.
Whatever is damaged there is named, removed and computed again.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import appearing
from cotsieve.rollouts.finished import Finished
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.rollouts.table import writing_rollouts

log = logging.getLogger(__name__)

Row = dict[str, Any]


class KeptRows:
    """The kept rows around one shard of a sweep.

    Files are named by the rows of the source they cover, `{first}-{last}.{sweep}`, so that only
    those that can hold a row of this shard are opened, whatever the shard size was then.
    """

    def __init__(
        self,
        folder: str | Path,
        sweep: str,
        rows: Sequence[int],
        *,
        most_problems: int,
        most_seconds: float,
        finished: Finished | None = None,
    ):
        """`rows` are the shard's row numbers in its source; `most_problems` and `most_seconds`
        bound what a killed job loses. `finished` notes the finished table for a later job."""
        self._folder = Path(folder)
        self._first, self._last = min(rows, default=0), max(rows, default=-1)
        self._name = f"{self._first:08d}-{self._last:08d}.{sweep}"
        self._most_problems, self._most_seconds = most_problems, most_seconds
        self._finished = finished
        self._waiting: list[Row] = []
        self._added: list[pa.Table] = []
        self._written = time.monotonic()

    def find(self, keys: Iterable[str]) -> pa.Table:
        """The rows with these keys, as many as are kept."""
        missing = set(keys)
        found = [ROLLOUTS.empty_table()]
        for path in self._candidates():
            if not missing:
                break
            found.append(_rows_of(path, missing))
            missing -= set(found[-1]["row_key"].to_pylist())
        return pa.concat_tables(found)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep finished rows, on disk once enough have come or enough time has passed."""
        self._waiting += rows
        problems = {row["problem_id"] for row in self._waiting}
        due = time.monotonic() - self._written >= self._most_seconds
        if len(problems) >= self._most_problems or (due and problems):
            self.flush()

    def flush(self) -> None:
        """Write what waits; rows that failed are not kept, since they are worth another try."""
        if self._waiting:
            rows = pa.Table.from_pylist(self._waiting, schema=ROLLOUTS)
            good = rows.filter(_good(rows))
            if good.num_rows:
                with writing_rollouts(self._next_part()) as add:
                    add(good)
            self._added.append(rows)
        self._waiting, self._written = [], time.monotonic()

    def take_added(self) -> pa.Table:
        """All rows that were added since they were last taken, those that failed among them."""
        self.flush()
        added, self._added = [ROLLOUTS.empty_table(), *self._added], []
        return pa.concat_tables(added)

    def finish(self, output: str | Path, problems: int, rows: int, failed: int) -> None:
        """Keep the finished table `output`, which replaces the parts of this job."""
        with appearing(self.table) as temporary:
            shutil.copyfile(output, temporary)  # a copy, so that damage to one spares the other
        self.close(problems, rows, failed)

    def close(self, problems: int, rows: int, failed: int) -> None:
        """The finished table lies at `table`: it replaces the parts of this job."""
        if self._finished and not failed:  # otherwise its rows get another try
            self._finished.put(self.table, problems, rows)
        shutil.rmtree(self._parts, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process works on this shard: one that outlived its run.

        Where the file system knows no locks, nothing is waited for.
        """
        lock = self._locked()
        try:
            yield
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def alone_now(self) -> Iterator[bool]:
        """Like `alone`, but yields False at once where another process works on this shard."""
        self._parts.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._parts, os.O_RDONLY)
        try:
            yield _taken(lock)
        finally:
            os.close(lock)

    def _locked(self) -> int:
        while True:
            self._parts.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._parts, os.O_RDONLY)
            try:
                _wait_for(lock, self._parts)
                if os.path.samestat(os.fstat(lock), os.stat(self._parts)):
                    return lock
            except FileNotFoundError:
                pass  # the other process has finished, and removed the folder
            os.close(lock)

    @property
    def table(self) -> Path:
        """Where the finished table is kept."""
        return self._folder / f"{self._name}.parquet"

    @property
    def _parts(self) -> Path:
        return self._folder / f"{self._name}.parts"

    def _next_part(self) -> Path:
        last = max((int(path.stem) for path in self._parts.glob("[0-9]*.parquet")), default=0)
        return self._parts / f"{last + 1:06d}.parquet"

    def _candidates(self) -> Iterator[Path]:
        """Files that may hold rows of this shard: its own first, then overlapping ones."""
        own = [self.table, self._parts]
        others = [
            path
            for path in sorted(self._folder.glob("*-*.*"))
            if path.suffix in (".parquet", ".parts") and path not in own and self._overlaps(path)
        ]
        for path in [*own, *others]:
            if path.suffix == ".parts":
                yield from sorted(path.glob("[0-9]*.parquet"))
            elif path.is_file():
                yield path

    def _overlaps(self, path: Path) -> bool:
        first, _, rest = path.name.partition("-")
        last = rest.partition(".")[0]
        if not (first.isdigit() and last.isdigit()):
            return False
        return int(first) <= self._last and self._first <= int(last)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another's, or a file system without locks: leave it to its own job
        return False
    return True


def _wait_for(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("%s: another process works on these rows; waiting until it ends", folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        log.info("%s: this file system knows no locks", folder)


def _rows_of(path: Path, keys: set[str]) -> pa.Table:
    def usable(rows: pa.Table) -> pa.Array:
        # A set answers for few rows of a large table sooner than an index built for every group.
        wanted = pa.array([key in keys for key in rows["row_key"].to_pylist()], pa.bool_())
        return pc.and_(wanted, _good(rows))

    try:
        return tables.read(path, ROLLOUTS, where=usable)
    except BadInput as error:
        (found,) = error.findings
        log.warning("%s: %s; its rows are made again", found.where, found.what)
        path.unlink(missing_ok=True)
        return ROLLOUTS.empty_table()


def _good(rows: pa.Table) -> pa.ChunkedArray:
    return pc.not_equal(rows["finish_reason"], "failed")
