"""Make the catalogue of a file, or find it: parts, notes, and what else lies in its folder.

A note is a line of JSON and an array behind it, both with their checksum. A catalogue is found by
the size and modification time of its file; of one that changed, the parts are found by content.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.checkout import ROOT
from cotsieve.ground.faults import bad
from cotsieve.ground.files import CACHE, appearing
from cotsieve.ground.fingerprint import reached_files
from cotsieve.ground.seeds import digest
from cotsieve.problems.cells import NoAnswer, RowFault
from cotsieve.problems.files.records import MOST_FINDINGS
from cotsieve.problems.files.segments import Read, Segment, regular, segments
from cotsieve.problems.index import ENTRY, Kind, entry, kind_of
from cotsieve.problems.problem import PROBLEMS, Problem, problems_table
from cotsieve.problems.sources import (
    columns_read,
    failed_problem,
    leaves_unanswered,
    left_out,
    problem_of,
    wanted,
)

ROWS = pa.schema([field for field in PROBLEMS if field.name != "source"])
"""How the problems of a catalogue are written."""
GROUP_ROWS, GROUP_TEXT = 1000, 8 << 20
"""Rows, or characters, after which a row group ends."""
TOLD_AFTER = 5.0
"""Seconds between two lines about how far a long file is read."""
_LINE = 64
"""The line of a note is padded to a multiple of this, so that what follows can be mapped."""

log = logging.getLogger(__name__)


class Found(NamedTuple):
    """What the folder of a catalogue says of a file."""

    folder: Path
    note: dict[str, Any]
    """parts (key and row groups of each), kinds, rows, columns, left out, and what is wrong."""
    index: np.ndarray


def catalogued(name: str, definition: Mapping[str, Any], path: Path) -> Found:
    """The catalogue of a file as it is now.

    Raises BadInput for a file that cannot be read, or that changes meanwhile, and for a full disk.
    """
    stamp, reading = _stamp(path), _reading(name, definition)
    folder = _folder(reading)
    file = folder / f"{digest(str(path.resolve()))}.catalogue"
    found = _noted(file)
    if found is None or found[0]["stamp"] != stamp:
        with _locked(file.with_suffix(".lock"), path):
            found = _noted(file)
            if found is None or found[0]["stamp"] != stamp:
                with _written(folder):
                    _make(file, stamp, _Reader(name, definition, reading), path)
                found = _noted(file)
    if found is None or _stamp(path) != stamp:
        raise bad(path, "it changed while it was read", "Run again when it is complete.")
    return Found(folder, *found)


def _stamp(path: Path) -> list[int]:
    try:
        stat = regular(path).stat()
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Correct the path.") from None
    return [stat.st_size, stat.st_mtime_ns]


def _reading(name: str, definition: Mapping[str, Any]) -> str:
    """What decides how a segment is read."""
    decides = {key: definition[key] for key in definition if key not in ("bad_rows", "chain_below")}
    return digest(name, decides, _code())


@cache
def _code() -> list[str]:
    return sorted(reached_files("cotsieve/problems/cataloguing.py", ROOT).values())


def _folder(reading: str) -> Path:
    """The folder of all catalogues that are read alike; where the cache cannot be written, one that
    is gone with this process."""
    folder = CACHE / "catalogues" / reading
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(_own_folder().name)


@cache
def _own_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="cotsieve-")


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"a catalogue cannot be written ({error.strerror or error})"
        mend = "Free space there, or let COTSIEVE_CACHE name another folder."
        raise bad(folder, what, mend) from None


@contextlib.contextmanager
def _locked(file: Path, path: Path) -> Iterator[None]:
    """Wait while another process catalogues the file; both would make the same."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a file system without locks
            lock = stack.enter_context(file.open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("%s is being catalogued by another process", path)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_note(file: Path, note: dict[str, Any], array: np.ndarray) -> None:
    data = memoryview(np.ascontiguousarray(array)).cast("B") if len(array) else b""
    note = note | {"entries": len(array), "sha256": hashlib.sha256(data).hexdigest()}
    line = json.dumps(note | {"sum": digest(note)}).encode()
    with appearing(file) as temporary, temporary.open("wb") as out:
        out.write(line.ljust(-(-(len(line) + 1) // _LINE) * _LINE - 1) + b"\n")
        out.write(data)


def _noted(file: Path) -> tuple[dict[str, Any], np.ndarray] | None:
    """What a note says, and its array, mapped; None when it is not there, or damaged."""
    try:
        with file.open("rb") as data:
            line = data.readline()
        note = json.loads(line)
        if digest({key: note[key] for key in note if key != "sum"}) != note["sum"]:
            return None
        array = np.zeros(0, ENTRY)
        if note["entries"]:
            shape = (note["entries"],)
            array = np.memmap(file, ENTRY, "r", offset=len(line), shape=shape)
        data = memoryview(array.view(np.uint8)) if len(array) else b""
        return (note, array) if hashlib.sha256(data).hexdigest() == note["sha256"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Reader(NamedTuple):
    name: str
    definition: Mapping[str, Any]
    reading: str


def _make(file: Path, stamp: list[int], reader: _Reader, path: Path) -> None:
    """Write the catalogue of a file; parts that are there already are not made again."""
    parts: list[dict[str, Any]] = []
    arrays: list[np.ndarray] = []
    rows, told = 0, time.monotonic()
    for segment in segments(path, columns_read(reader.definition)):
        key = digest(reader.reading, rows, segment.digest)
        part = _noted(file.with_name(f"{key}.part"))
        if part is None or not file.with_name(f"{key}.parquet").is_file():
            _Part(reader, segment, rows).write(file.parent, key)
            part = _noted(file.with_name(f"{key}.part"))
        parts.append(part[0] | {"key": key})
        arrays.append(part[1])
        rows += part[0]["rows"]
        if time.monotonic() - told > TOLD_AFTER:
            told = time.monotonic()
            print(f"{path}: {rows:,} rows catalogued", file=sys.stderr, flush=True)
    _write_note(file, {"stamp": stamp} | _together(parts), _joined(parts, arrays))


def _together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What the notes of all parts come to."""
    note: dict[str, Any] = {"rows": sum(part["rows"] for part in parts), "left out": {}}
    note["kinds"] = _kinds(parts)
    note["columns"] = list(dict.fromkeys(name for part in parts for name in part["columns"]))
    note["parts"] = [{key: part[key] for key in ("key", "groups")} for part in parts]
    for part in parts:
        for reason, count in part["left out"].items():
            note["left out"][reason] = note["left out"].get(reason, 0) + count
    for what in ("damage", "faults"):
        found = [finding for part in parts for finding in part[what]]
        note[what] = found[:MOST_FINDINGS]
        note[f"more {what}"] = sum(part[f"more {what}"] for part in parts)
        note[f"more {what}"] += len(found) - len(note[what])
    return note


def _kinds(parts: list[dict[str, Any]]) -> list[list]:
    return [list(kind) for kind in dict.fromkeys(tuple(k) for part in parts for k in part["kinds"])]


def _joined(parts: list[dict[str, Any]], arrays: list[np.ndarray]) -> np.ndarray:
    """The index of all parts, with kinds by their place among those of all parts."""
    place = {tuple(kind): number for number, kind in enumerate(_kinds(parts))}
    index = np.concatenate([np.zeros(0, ENTRY), *arrays])
    at = 0
    for part, array in zip(parts, arrays, strict=True):
        numbers = np.array([place[tuple(kind)] for kind in part["kinds"]], np.uint32)
        if len(array):
            index["kind"][at : at + len(array)] = numbers[array["kind"]]
        at += len(array)
    return index


class _Part:
    """The problems of a segment on their way into the catalogue."""

    def __init__(self, reader: _Reader, segment: Segment, first: int):
        self._reader, self._segment, self._first = reader, segment, first
        self._kinds: dict[Kind, int] = {}
        self._entries: list[tuple] = []
        self._arrays: list[np.ndarray] = []
        self._held: list[Problem] = []
        self._text = 0
        self._groups: list[int] = []
        self._left_out: dict[str, int] = {}
        self._columns = dict.fromkeys(segment.columns)
        self._findings: dict[str, list] = {"damage": [], "faults": []}
        self._more = {"damage": 0, "faults": 0}

    def write(self, folder: Path, key: str) -> None:
        rows, names = 0, None
        with (
            appearing(folder / f"{key}.parquet") as temporary,
            pq.ParquetWriter(
                temporary,
                ROWS,
                compression="zstd",
                use_dictionary=False,
                write_statistics=False,
                write_page_checksum=True,
            ) as writer,
        ):
            for read in self._segment.read(self._first):
                rows = read.row + 1 - self._first
                if read.notes:
                    self._find("damage", read, read.notes)
                    continue
                if read.value.keys() != names:
                    names = read.value.keys()
                    self._columns |= dict.fromkeys(names)
                self._take(read)
                if len(self._held) >= GROUP_ROWS or self._text >= GROUP_TEXT:
                    self._end_group(writer)
            self._end_group(writer)
        note = {"rows": rows, "groups": self._groups, "left out": self._left_out}
        note |= {"kinds": [list(kind) for kind in self._kinds], "columns": list(self._columns)}
        note |= self._findings | {f"more {what}": count for what, count in self._more.items()}
        entries = np.concatenate([np.zeros(0, ENTRY), *self._arrays])
        _write_note(folder / f"{key}.part", note, entries)

    def _take(self, read: Read) -> None:
        name, definition = self._reader.name, self._reader.definition
        reason = left_out(definition, read.value)
        if reason:
            self._leave_out(reason)
            return
        try:
            if not wanted(definition, read.value):
                return
            problem = problem_of(name, definition, read.row, read.value)
        except RowFault as fault:
            if isinstance(fault, NoAnswer) and leaves_unanswered(definition):
                self._leave_out(fault.what)
                return
            self._find("faults", read, [(fault.what, fault.mend)])
            problem = failed_problem(name, definition, read.row, read.value, fault)
        kind = self._kinds.setdefault(kind_of(problem), len(self._kinds))
        self._entries.append(entry(problem, kind))
        self._held.append(problem)
        self._text += len(problem.question) + len(problem.solution or "")
        self._text += len(problem.reasoning or "")

    def _leave_out(self, reason: str) -> None:
        self._left_out[reason] = self._left_out.get(reason, 0) + 1

    def _find(self, what: str, read: Read, notes: list[tuple[str, str]]) -> None:
        known = self._findings[what]
        for told in notes:
            if len(known) < MOST_FINDINGS:
                known.append([read.row, read.line, *told])
            else:
                self._more[what] += 1

    def _end_group(self, writer: pq.ParquetWriter) -> None:
        if self._held:
            table = problems_table(self._held, ROWS)
            writer.write_table(table, row_group_size=table.num_rows)
            self._groups.append(table.num_rows)
            self._arrays.append(np.array(self._entries, ENTRY))
        self._held, self._entries, self._text = [], [], 0
