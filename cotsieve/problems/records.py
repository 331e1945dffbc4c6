"""Read a file of rows strictly: what is not plainly a list of objects is refused by place."""

import gzip
import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.problems.strict_csv import SEPARATORS, Sheet, decode_sheet
from cotsieve.problems.strict_json import Decoded, decode_array, decode_lines, not_utf8

MOST_FINDINGS = 20
"""How many findings one message spells out; the rest are counted."""

_KINDS = (
    "Use .json (an array of objects), .jsonl (one per line), .csv or .tsv, all also .gz or .zst; "
    "or .parquet."
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ZIPPED = {".gz": (b"\x1f\x8b", "gzip"), ".zst": (b"\x28\xb5\x2f\xfd", "zstd")}


def read_records(path: Path) -> list[dict]:
    """The rows of a .json (array), .jsonl, .csv, .tsv or .parquet file.

    All but the last also with .gz or .zst; the name decides the kind. In .csv and .tsv every cell
    is text, or None when it is empty. Raises BadInput with every bad row: invalid UTF-8 or JSON,
    NaN and infinities in JSON, repeated keys, rows that are not objects, rows with more or fewer
    cells than the header, damaged or empty files.
    """
    path = _regular(path)
    kind = _kind(path)
    findings: list[Finding] = []
    if kind == "parquet":
        rows = _parquet_rows(path, findings)
    elif kind in SEPARATORS:
        rows = _sheet_rows(path, findings)
    elif kind == "jsonl":
        data = _content(path)
        rows = _object_rows(path, decode_lines(data) if data.strip() else (), findings)
    else:
        rows = _object_rows(path, decode_array(_array_text(path)), findings)
    refuse(findings)
    if not rows:
        raise bad(path, "the file holds no rows", "Check that it was written completely.")
    return rows


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unzipped when its name ends in .gz or .zst.

    BadInput names the bad line.
    """
    return _decoded(path, _content(_regular(path)))


def place(path: Path, row: int) -> str:
    """How messages name a row: counted from 0 as in problem ids, and by line where it has one."""
    path = Path(path)
    kind = _kind(path)
    if kind in SEPARATORS:
        return f"{path} row {row} (line {_lines_of_rows(path, path.stat().st_mtime_ns)[row]})"
    return f"{path} row {row} (line {row + 1})" if kind == "jsonl" else f"{path} row {row}"


def refuse(findings: Iterable[Finding]) -> None:
    """Raise BadInput when there are findings: the first 20 in full, the others as a count."""
    findings = list(findings)
    if not findings:
        return
    rest = len(findings) - MOST_FINDINGS
    if rest > 0:
        where = findings[0].where.partition(" row ")[0]
        more = Finding(where, f"and {rest} more", "Mend those above to see the rest.")
        findings = [*findings[:MOST_FINDINGS], more]
    raise BadInput(findings)


def _regular(path: str | Path) -> Path:
    """A path that is not a folder, pipe or device, which could be waited for without end."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise bad(path, "it is a folder, a pipe or a device, not a file", "Correct the path.")
    return path


def _kind(path: Path) -> str:
    name = path.name.lower()
    for kind in ("parquet", "jsonl", "json", *SEPARATORS):
        if name.endswith(f".{kind}"):
            return kind
        if kind != "parquet" and name.endswith(tuple(f".{kind}{end}" for end in _ZIPPED)):
            return kind
    raise bad(path, "its name does not say what kind of file it is", _KINDS)


def _content(path: Path, with_mark: bool = False) -> bytes:
    try:
        data = _unzipped(path, path.read_bytes())
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Correct the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise bad(path, f"damaged or cut gzip data ({error})", "Fetch it again.") from None
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror})", "Correct the path.") from None
    if not data:
        raise bad(path, "the file is empty", "Check that it was written completely.")
    if data.startswith(_BYTE_ORDER_MARK) and not with_mark:
        raise bad(path, "it starts with a byte-order mark", "Save it as UTF-8 without one.")
    return data


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(f"{path} line {line}", *not_utf8(error)) from None


def _unzipped(path: Path, data: bytes) -> bytes:
    ending = path.suffix.lower()
    for end, (magic, name) in _ZIPPED.items():
        if data.startswith(magic) and ending != end:
            raise bad(path, f"it is {name} data", f"Add {end} to its name, or unzip it.")
    if ending == ".gz":
        return gzip.decompress(data)
    return _without_zstd(path, data) if ending == ".zst" else data


def _without_zstd(path: Path, data: bytes) -> bytes:
    try:
        with pa.input_stream(pa.BufferReader(data), compression="zstd") as stream:
            return stream.read()
    except (pa.ArrowException, OSError) as error:
        raise bad(path, f"damaged or cut zstd data ({error})", "Fetch it again.") from None


def _array_text(path: Path) -> str:
    text = read_text(path)
    if text.lstrip().startswith("{"):
        what = "an object stands where an array of objects is expected"
        mend = "Write [ {...}, ... ]; if there is one object per line, name the file .jsonl."
        raise bad(path, what, mend)
    return text


def _object_rows(path: Path, decoded: Iterable[Decoded], findings: list[Finding]) -> list[dict]:
    rows = []
    for row, value, notes in decoded:
        if not notes and not isinstance(value, dict):
            what = f"the row is {_shown(json.dumps(value))}, not an object"
            notes.append((what, 'Write {"column": value, ...}.'))
        findings += [Finding(place(path, row), *note) for note in notes]
        rows.append(value)
    return rows


def _sheet_rows(path: Path, findings: list[Finding]) -> list[dict]:
    rows, header_notes = _sheet(path)
    refuse(Finding(str(path), *note) for note in header_notes)
    for number, row in enumerate(rows):
        where = f"{path} row {number} (line {row.line})"
        findings += [Finding(where, *note) for note in row.notes]
    return [row.value for row in rows]


def _sheet(path: Path) -> Sheet:
    data = _content(path, with_mark=True).removeprefix(_BYTE_ORDER_MARK)
    return decode_sheet(_decoded(path, data), _kind(path))


@lru_cache(maxsize=1)
def _lines_of_rows(path: Path, changed: int) -> list[int]:
    """Where the rows of a file start, for messages: `changed` is when it last was."""
    return [row.line for row in _sheet(path).rows]


def _parquet_rows(path: Path, findings: list[Finding]) -> list[dict]:
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Correct the path.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"damaged, cut or not Parquet ({_shown(str(error))})"
        raise bad(path, what, "Fetch it again.") from None
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise bad(path, f"repeated column {', '.join(map(repr, twice))}", "Keep one of each.")
    columns = [_column(path, name, table.column(name), findings) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(path: Path, name: str, column: pa.ChunkedArray, findings: list[Finding]) -> list:
    """A column as Python values; cells that cannot be converted are found and named."""
    try:
        return column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = []
    for row, cell in enumerate(column):
        try:
            values.append(cell.as_py())
        except (pa.ArrowException, ValueError, OverflowError) as error:
            what = f"column {name!r} cannot be read ({_shown(str(error))})"
            findings.append(Finding(place(path, row), what, "Write it as UTF-8 text or a number."))
            values.append(None)
    return values


def _shown(text: str, most: int = 100) -> str:
    first = (text.splitlines() or [""])[0]
    return first if len(first) <= most else f"{first[: most - 1]}…"
