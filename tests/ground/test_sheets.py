"""CSV that no spreadsheet takes for formulas, and in which numbers stay numbers."""

import csv
import io
from pathlib import Path

import pytest

from cotsieve.ground.sheets import csv_text

ROOT = Path(__file__).resolve().parents[2]

CELLS = {
    '=HYPERLINK("http://a.b","x")': '\'=HYPERLINK("http://a.b","x")',
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "@SUM(1+1)": "'@SUM(1+1)",
    "-1+1": "'-1+1",
    "\t=1": "'\t=1",
    "-5": "-5",
    "+1.5e-7": "+1.5e-7",
    "a=b": "a=b",
    "": "",
    None: "",
    -0.1: "-0.1",
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell(cell):
    (row,) = csv.DictReader(io.StringIO(csv_text(["a", "b"], [{"a": cell, "b": 1}])))
    assert row == {"a": CELLS[cell], "b": "1"}


def test_names_of_columns_are_cells_too():
    assert csv_text(["=a", "b"], [{"=a": 1}]) == "'=a,b\n1,\n"


def test_every_csv_is_written_here():
    writers = [path for path in (ROOT / "cotsieve").rglob("*.py") if "csv.w" in path.read_text()]
    writers += [p for p in (ROOT / "cotsieve").rglob("*.py") if "DictWriter" in p.read_text()]
    assert {path.name for path in writers} == {"sheets.py"}
