"""Read a file of rows segment by segment, so that memory follows a segment and not the file.

A segment is known by a digest of what it holds before a row of it is decoded: of the unzipped bytes
of some whole rows of JSON lines, CSV or TSV, of a whole array, of the columns of a row group of
Parquet. So the same rows are known again in another container, and of a file that has grown only
what is new need be decoded.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.problems.files.strict_csv import MOST_COLUMNS, SEPARATORS, SheetRow, decode_sheet
from cotsieve.problems.files.strict_json import (
    BLANKS,
    Decoded,
    Note,
    decode_array,
    decode_lines,
    listed,
    not_utf8,
    repeated,
)

SEGMENT = 16 << 20
"""Bytes of text in a segment, up to the end of its last row."""
MOST_OF_A_ROW = 256 << 20
"""Bytes of the longest row of JSON lines that is read."""

_KINDS = (
    "Use .json (an array of objects), .jsonl (one per line), .csv or .tsv, all also .gz or .zst; "
    "or .parquet."
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ZIPPED = {".gz": (b"\x1f\x8b", "gzip"), ".zst": (b"\x28\xb5\x2f\xfd", "zstd")}
_CHUNK = 1 << 20
_UNPACKED = float(os.environ.get("COTSIEVE_UNPACKED_GIB", 0.25))
"""GiB that a packed file may unpack to in any case,"""
MOST_TIMES = 50
"""and so many times its size; text becomes 3 to 20 times as long."""
_ROW = 200
"""Bytes that a row counts beside what it holds."""
_BATCH = 1000
"""Rows of Parquet that are decoded together."""


class Read(NamedTuple):
    """One row of a file, counted from 0; `value` may be used only when `notes` is empty."""

    row: int
    line: int | None
    """Where it starts, counted from 1, in a file of lines."""
    value: dict
    notes: list[Note]


class Segment(NamedTuple):
    """Some rows of a file."""

    digest: str
    read: Callable[[int], Iterator[Read]]
    """The number of its first row → its rows, decoded."""
    columns: tuple[str, ...] = ()
    """Columns of the file, where they are known without its rows."""


def segments(path: Path, columns: Collection[str] | None = None) -> Iterator[Segment]:
    """The segments of a .json (array), .jsonl, .csv, .tsv or .parquet file.

    All but the last also with .gz or .zst; the name decides the kind. Of Parquet only `columns` are
    read, where the file has them. Raises BadInput for a file that is damaged, cut, empty, or not
    what its name says; bad rows are told in the notes of each.
    """
    path, kind = regular(path), kind_of(path)
    if kind == "parquet":
        return _of_row_groups(path, columns)
    if kind in SEPARATORS:
        return _of_sheet(path, kind)
    return _of_lines(path) if kind == "jsonl" else _of_array(path)


def place(path: Path, row: int, line: int | None = None) -> str:
    """How messages name a row: counted from 0 as in problem ids, and by line where it has one."""
    path = Path(path)
    kind = kind_of(path)
    if line is None and kind in SEPARATORS:
        line = next((found.line for found in rows_of(path) if found.row == row), None)
    line = row + 1 if kind == "jsonl" else line
    return f"{path} row {row}" + (f" (line {line})" if line is not None else "")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unzipped when its name ends in .gz or .zst.

    BadInput names the bad line.
    """
    path = regular(path)
    data = b"".join(_chunks(path))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(f"{path} line {line}", *not_utf8(error)) from None


def regular(path: str | Path) -> Path:
    """A path that is not a folder, pipe or device, which could be waited for without end."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise bad(path, "it is a folder, a pipe or a device, not a file", "Correct the path.")
    return path


def kind_of(path: Path) -> str:
    """json, jsonl, csv, tsv or parquet, as the name says. Raises BadInput."""
    name = path.name.lower()
    for kind in ("parquet", "jsonl", "json", *SEPARATORS):
        if name.endswith(f".{kind}"):
            return kind
        if kind != "parquet" and name.endswith(tuple(f".{kind}{end}" for end in _ZIPPED)):
            return kind
    raise bad(path, "its name does not say what kind of file it is", _KINDS)


def rows_of(path: Path) -> Iterator[Read]:
    """The rows of a file, whatever its segments."""
    first = 0
    for segment in segments(path):
        for found in segment.read(first):
            yield found
            first = found.row + 1


def _chunks(path: Path, with_mark: bool = False) -> Iterator[bytes]:
    """The bytes of a file, unzipped, some at a time; there is at least one."""
    with _reading(path), _unzipped(path) as file:
        data, bound = file.read(_CHUNK), _Bound(path)
        if not data:
            raise bad(path, "the file is empty", "Check that it was written completely.")
        if data.startswith(_BYTE_ORDER_MARK) and not with_mark:
            raise bad(path, "it starts with a byte-order mark", "Save it as UTF-8 without one.")
        while data:
            if path.suffix.lower() in _ZIPPED:
                bound.add(len(data), data.count(b"\n"))
            yield data
            data = file.read(_CHUNK)


class _Bound:
    """How much a file may unpack to; a few megabytes can stand for days of rows."""

    def __init__(self, path: Path):
        self._path, self._found = path, 0
        self._most = max(_UNPACKED * 2**30, MOST_TIMES * path.stat().st_size)

    def add(self, size: int, rows: int) -> None:
        """Count some bytes and rows. Raises BadInput when there are too many."""
        self._found += size + _ROW * rows
        if self._found > self._most:
            what = f"it unpacks to more than {self._most / 2**30:.3g} GiB"
            mend = "If that is right, set COTSIEVE_UNPACKED_GIB to more, or unpack it."
            raise bad(self._path, what, mend)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell what goes wrong while a file is read."""
    zipped = path.suffix.lower() == ".zst"
    try:
        yield
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Correct the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise bad(path, f"damaged or cut gzip data ({error})", "Fetch it again.") from None
    except (pa.ArrowException, OSError) as error:
        if zipped and not getattr(error, "errno", None):
            raise bad(path, f"damaged or cut zstd data ({error})", "Fetch it again.") from None
        told = getattr(error, "strerror", None) or error
        raise bad(path, f"cannot be read ({told})", "Correct the path.") from None


def _unzipped(path: Path) -> BinaryIO:
    ending = path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(4)
    for end, (magic, name) in _ZIPPED.items():
        if start.startswith(magic) and ending != end:
            raise bad(path, f"it is {name} data", f"Add {end} to its name, or unzip it.")
    if not start or ending not in _ZIPPED:
        return path.open("rb")
    if ending == ".gz":
        return gzip.open(path)
    return pa.input_stream(str(path), compression="zstd")


def _of_lines(path: Path) -> Iterator[Segment]:
    held = bytearray()
    for chunk in _chunks(path):
        held += chunk
        while len(held) >= SEGMENT:
            end = max(held.rfind(b"\n", 0, SEGMENT), 0) or held.find(b"\n", SEGMENT)
            whole = bytes(held[: end + 1]).rstrip(BLANKS)
            if not whole:  # a row without an end as yet, or blank lines
                break
            yield _lines(whole)  # blank lines behind it are rows only if others follow
            del held[: held.index(b"\n", len(whole)) + 1]
        if len(held) > MOST_OF_A_ROW:
            what = f"a line has more than {MOST_OF_A_ROW >> 20} MiB"
            raise bad(path, what, "Write one object per line.")
    rest = bytes(held).rstrip(BLANKS)
    if rest:
        yield _lines(rest)


def _lines(data: bytes) -> Segment:
    def read(first: int) -> Iterator[Read]:
        for found in decode_lines(data, first):
            yield _object(found, found.row + 1)

    return Segment(_digest(data), read)


def _of_array(path: Path) -> Iterator[Segment]:
    text = read_text(path)
    if text.lstrip().startswith("{"):
        what = "an object stands where an array of objects is expected"
        mend = "Write [ {...}, ... ]; if there is one object per line, name the file .jsonl."
        raise bad(path, what, mend)

    def read(first: int) -> Iterator[Read]:
        for found in decode_array(text):
            yield _object(found._replace(row=first + found.row), None)

    yield Segment(_digest(text.encode()), read)


def _object(found: Decoded, line: int | None) -> Read:
    row, value, notes = found
    if not notes and not isinstance(value, dict):
        what = f"the row is {shown(json.dumps(value))}, not an object"
        notes = [Note(what, 'Write {"column": value, ...}.')]
    return Read(row, line, value, notes)


def _of_sheet(path: Path, kind: str) -> Iterator[Segment]:
    lines = _Lines(path)
    sheet = decode_sheet(lines, kind)
    if sheet.header_notes:
        raise BadInput(Finding(str(path), *note) for note in sheet.header_notes)
    columns, held = tuple(sheet.names), []
    for row in sheet.rows:
        held.append(row)
        if lines.bytes >= SEGMENT:
            yield _cells(held, lines.taken(), columns)
            held = []
    if held:
        yield _cells(held, lines.taken(), columns)


def _cells(rows: list[SheetRow], digest: str, columns: tuple[str, ...]) -> Segment:
    def read(first: int) -> Iterator[Read]:
        for row, found in enumerate(rows, first):
            yield Read(row, found.line, found.value, found.notes)

    return Segment(_digest(json.dumps([columns, digest]).encode()), read, columns)


class _Lines:
    """The lines of a text with their ends, digested on their way."""

    def __init__(self, path: Path):
        self._path, self._sum, self.bytes = path, hashlib.sha256(), 0

    def __iter__(self) -> Iterator[str]:
        number, held = 1, b""
        for place, chunk in enumerate(_chunks(self._path, with_mark=True)):
            held += chunk if place else chunk.removeprefix(_BYTE_ORDER_MARK)
            end = max(held.rfind(b"\n"), held.rfind(b"\r", 0, len(held) - 1)) + 1
            text, held = held[:end], held[end:]
            yield from self._told(text, number)
            number += text.count(b"\n")
        yield from self._told(held, number)

    def _told(self, data: bytes, number: int) -> Iterator[str]:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = number + data.count(b"\n", 0, error.start)
            raise bad(f"{self._path} line {line}", *not_utf8(error)) from None
        for line in io.StringIO(text, newline=""):
            self._sum.update(line.encode())
            self.bytes += len(line)
            yield line

    def taken(self) -> str:
        """The digest of the lines since it was last taken."""
        digest, self._sum, self.bytes = self._sum.hexdigest()[:32], hashlib.sha256(), 0
        return digest


def _of_row_groups(path: Path, columns: Collection[str] | None) -> Iterator[Segment]:
    with _parquet_read(path):
        file = pq.ParquetFile(
            path, page_checksum_verification=True, pre_buffer=False, buffer_size=_CHUNK
        )
    names = file.schema_arrow.names
    if len(names) > MOST_COLUMNS:
        mend = f"A file may have at most {MOST_COLUMNS:,}."
        raise bad(path, f"it has {len(names):,} columns", mend)
    twice = sorted(repeated(names))
    if twice:
        raise bad(path, f"repeated column {listed(map(repr, twice))}", "Keep one of each.")
    chosen = [name for name in names if columns is None or name in columns]
    bound = _Bound(path)
    for group in range(file.num_row_groups):
        with _parquet_read(path):
            digest = _group_digest(path, file, group, chosen)
        read = partial(_rows_of_group, path, file, group, chosen, bound)
        yield Segment(digest, read, tuple(names))


def _group_digest(path: Path, file: pq.ParquetFile, group: int, chosen: list[str]) -> str:
    """Digest of the bytes that hold the chosen columns of a row group."""
    told = file.metadata.row_group(group)
    types = [str(file.schema_arrow.field(name)) for name in chosen]
    found = hashlib.sha256(json.dumps([types, told.num_rows]).encode())
    with path.open("rb") as data:
        for chunk in map(told.column, range(told.num_columns)):
            if chunk.path_in_schema.partition(".")[0] in chosen:
                starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
                data.seek(min(start for start in starts if start is not None))
                left = chunk.total_compressed_size
                while left and (some := data.read(min(left, _CHUNK))):
                    found.update(some)
                    left -= len(some)
    return found.hexdigest()[:32]


def _rows_of_group(
    path: Path, file: pq.ParquetFile, group: int, chosen: list[str], bound: _Bound, first: int
) -> Iterator[Read]:
    row = first
    with _parquet_read(path):
        for batch in file.iter_batches(_BATCH, row_groups=[group], columns=chosen):
            batch = pa.record_batch(
                [_plain(column) for column in batch.columns], batch.schema.names
            )
            bound.add(batch.nbytes, batch.num_rows)
            notes: dict[int, list[Note]] = {}
            columns = [_column(name, batch.column(name), notes) for name in chosen]
            for index in range(batch.num_rows):
                value = {name: column[index] for name, column in zip(chosen, columns, strict=True)}
                yield Read(row, None, value, notes.get(index, []))
                row += 1


@contextlib.contextmanager
def _parquet_read(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Correct the path.") from None
    except (pa.ArrowException, OSError) as error:
        what = f"damaged, cut or not Parquet ({shown(str(error))})"
        raise bad(path, what, "Fetch it again.") from None


def _plain(column: pa.Array) -> pa.Array:
    """Values in place of numbers that stand for them, so that their size is what they take."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _column(name: str, column: pa.Array, notes: dict[int, list[Note]]) -> list:
    """A column as Python values; cells that cannot be converted are noted."""
    try:
        return column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = []
    for index, cell in enumerate(column):
        try:
            values.append(cell.as_py())
        except (pa.ArrowException, ValueError, OverflowError) as error:
            what = f"column {name!r} cannot be read ({shown(str(error))})"
            note = Note(what, "Write it as UTF-8 text or a number.")
            notes.setdefault(index, []).append(note)
            values.append(None)
    return values


def shown(text: str, most: int = 100) -> str:
    """The first line of a text, shortened."""
    first = (text.splitlines() or [""])[0]
    return first if len(first) <= most else f"{first[: most - 1]}…"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
