"""Tables and cells of a card, in Markdown, and plain values in YAML."""

from collections.abc import Iterable, Sequence

import yaml

_SHOWN = 5


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of a column of words, then numbers; the cells are Markdown."""
    marks = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, marks, *lines])


def some(ids: Sequence[str]) -> str:
    """The first few of many."""
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")


def number(value: int | None) -> str:
    """Such as 7,500; an en dash for none."""
    return "–" if value is None else f"{value:,}"


def cell(text: str) -> str:
    """Text on one line that ends no table cell and opens no HTML tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """Text as code, on one line."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def in_yaml(value: object) -> str:
    """Plain values, in their own order."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
