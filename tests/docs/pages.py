"""What the pages for users hold besides words: commands, studies, snippets, and what they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "config/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]

_FENCE = re.compile(r" *```(\S*)\s*")
_REMARK = re.compile(r"(^|\s{2,})#.*")
_INLINE = re.compile(
    r"`((?:\.venv/bin/|(?:make|snakemake|python|pip|docker|apptainer|sacctmgr|sinfo|hf|rm) )[^`]+)`"
)


class Block(NamedTuple):
    """A piece of a page that is set off from its words."""

    page: str
    line: int
    """Of the page, counted from 1, where the text starts."""
    kind: str
    """The language of a fence, or "command" for a line of an indented block."""
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page and the commands of the indented ones, in order.

    A command is without its remark; one that ends in a backslash goes on in the next line.
    """
    lines = (ROOT / page).read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            yield Block(page, at + 2, fence[1], _dedented(lines[at + 1 : end]))
            at = end
        elif lines[at].startswith("    ") and not lines[at - 1].strip():
            end = _end_of_indented(lines, at)
            yield from _commands(page, lines, at, end)
            at = end - 1
        at += 1


def inline_commands(page: str) -> Iterator[Block]:
    """Commands within the words and tables of a page; those with an omission are none."""
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
        for command in _INLINE.findall(line):
            if "…" not in command:
                yield Block(page, number, "command", command)


def commands(page: str) -> Iterator[Block]:
    """All commands of a page, those of its blocks first."""
    yield from (block for block in blocks(page) if block.kind == "command")
    yield from inline_commands(page)


def _commands(page: str, lines: list[str], start: int, end: int) -> Iterator[Block]:
    begun = ""
    for number, line in enumerate(lines[start:end], start + 1):
        begun = f"{begun} {_REMARK.sub('', line).strip()}".strip()
        if begun.endswith("\\"):
            begun = begun[:-1].strip()
        elif begun:
            yield Block(page, number, "command", begun)
            begun = ""


def _end_of_indented(lines: list[str], start: int) -> int:
    """The line after the last that is indented; blank ones may stand between such lines."""
    end = at = start
    while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
        at += 1
        end = at if lines[at - 1].strip() else end
    return end


def _dedented(lines: list[str]) -> str:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "".join(f"{line[margin:]}\n" for line in lines)
