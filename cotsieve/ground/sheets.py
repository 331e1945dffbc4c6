"""Tables as CSV of which a spreadsheet runs nothing."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_RUN = re.compile(r"[=+\-@\t\r]")
"""What a spreadsheet takes for the start of a formula (owasp.org, CSV Injection)."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV under their names; a missing value is an empty field, numbers keep all digits.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, which it hides.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writerow({name: _harmless(name) for name in names})
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    runs = isinstance(value, str) and _RUN.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if runs else value
