"""Read a whole file of rows strictly: what is not plainly a list of objects is refused by place."""

from collections.abc import Iterable
from pathlib import Path

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.problems.files.segments import place, segments

MOST_FINDINGS = 20
"""How many findings one message spells out; the rest are counted."""


def read_records(path: Path) -> list[dict]:
    """The rows of a .json (array), .jsonl, .csv, .tsv or .parquet file.

    All but the last also with .gz or .zst; the name decides the kind. In .csv and .tsv every cell
    is text, or None when it is empty. Raises BadInput with every bad row: invalid UTF-8 or JSON,
    NaN and infinities in JSON, repeated keys, rows that are not objects, rows with more or fewer
    cells than the header, damaged or empty files.
    """
    path = Path(path)
    rows: list[dict] = []
    findings: list[Finding] = []
    for segment in segments(path):
        for row, line, value, notes in segment.read(len(rows)):
            findings += [Finding(place(path, row, line), *note) for note in notes]
            rows.append(value)
    refuse(findings)
    if not rows:
        raise no_rows(path)
    return rows


def no_rows(path: Path) -> BadInput:
    """What is wrong with a file without rows."""
    return bad(path, "the file holds no rows", "Check that it was written completely.")


def refuse(findings: Iterable[Finding], others: int = 0) -> None:
    """Raise BadInput when there are findings: the first 20 in full, the rest as a count.

    `others` were found as well, and are not among them.
    """
    findings = list(findings)
    if not findings:
        return
    rest = len(findings) - MOST_FINDINGS + others
    if rest > 0:
        where = findings[0].where.partition(" row ")[0]
        more = Finding(where, f"and {rest} more", "Mend those above to see the rest.")
        findings = [*findings[:MOST_FINDINGS], more]
    raise BadInput(findings)
