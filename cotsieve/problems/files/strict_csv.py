"""Decode rows of cells separated by commas or tabs, noting what such readers usually let pass."""

import csv
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cotsieve.problems.files.strict_json import Note, listed, repeated

SEPARATORS = {"csv": ",", "tsv": "\t"}
"""Kind of file → what separates its cells. Both are quoted as RFC 4180 says for commas."""

MOST_COLUMNS = 10_000
"""Of a file of cells; one with more has lost its line ends."""

_NAMES = {"csv": "comma", "tsv": "tab"}


class SheetRow(NamedTuple):
    """One row of a file; `value` may be used only when `notes` is empty."""

    line: int
    """Where the row starts, counted from 1; a quoted cell may hold further lines."""
    value: dict[str, str | None]
    notes: list[Note]


class Sheet(NamedTuple):
    """What a file holds: no rows when its header is not as it should be."""

    names: list[str]
    rows: Iterator[SheetRow]
    header_notes: list[Note]


def decode_sheet(lines: Iterable[str], kind: str) -> Sheet:
    """The rows of "csv" or "tsv" whose first line names the columns, each once.

    `lines` keep their ends, whatever these are. Every cell is text, exactly as it stands there; an
    empty one is None, quoted or not. A bad row does not hide the ones after it, and blank lines at
    the end are none.
    """
    found = _without_blank_end(_rows_of_cells(lines, kind))
    _, names, fault = next(found, _Cells(1, [], None))
    notes = [fault] if fault else list(_header_notes(names))
    rows = iter(()) if notes else (_row(names, cells, kind) for cells in found)
    return Sheet(names, rows, notes)


class _Cells(NamedTuple):
    line: int
    cells: list[str]
    fault: Note | None


def _rows_of_cells(lines: Iterable[str], kind: str) -> Iterator[_Cells]:
    reader = csv.reader(lines, delimiter=SEPARATORS[kind], strict=True)
    while True:
        line = reader.line_num + 1
        # A cell may be longer than the module lets it be, which is a setting of the whole process.
        limit = csv.field_size_limit(sys.maxsize)
        try:
            found = _Cells(line, next(reader), None)
        except StopIteration:
            return
        except csv.Error as error:
            found = _Cells(line, [], _quoting_note(error))
        finally:
            csv.field_size_limit(limit)
        yield found


def _without_blank_end(rows: Iterable[_Cells]) -> Iterator[_Cells]:
    blank: list[_Cells] = []
    for row in rows:
        if row.cells or row.fault:
            yield from blank
            yield row
            blank = []
        else:
            blank.append(row)


def _row(names: list[str], row: _Cells, kind: str) -> SheetRow:
    notes = [row.fault] if row.fault else []
    if not row.fault and len(row.cells) != len(names):
        what = f"its cells are {len(row.cells)}, those of the header {len(names)}"
        notes = [Note(what, f"Quote a cell that holds a {_NAMES[kind]} or a line break.")]
    cells = dict(zip(names, row.cells, strict=False))
    return SheetRow(row.line, {name: cell or None for name, cell in cells.items()}, notes)


def _quoting_note(error: csv.Error) -> Note:
    if "unexpected end" in str(error):
        return Note("a quote is opened and never closed", "Close it, or remove it.")
    return Note("a quoted cell goes on after its closing quote", 'Write a quote in it twice: "".')


def _header_notes(names: list[str]) -> Iterator[Note]:
    if len(names) > MOST_COLUMNS:
        what = f"the first line has {len(names):,} cells"
        yield Note(what, f"A file may have at most {MOST_COLUMNS:,} columns.")
        return
    unnamed = [str(number) for number, name in enumerate(names, 1) if not name.strip()]
    if unnamed or not names:
        what = f"column {listed(unnamed) or 1} has no name in the first line"
        yield Note(what, "Name every column, or leave it out (pandas: index=False).")
    twice = repeated(name for name in names if name.strip())
    if twice:
        yield Note(f"repeated column {listed(map(repr, sorted(twice)))}", "Keep one of each.")
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t"):
        what = f"the first line is a single cell, {names[0][:60]!r}"
        yield Note(what, "Separate cells with commas in a .csv file, with tabs in a .tsv file.")
