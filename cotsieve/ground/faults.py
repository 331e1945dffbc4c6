"""What is wrong with an input, said so that its owner can mend it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 1_000
"""Characters of each part of a message; names and values in it may be as long as a file."""
_UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


class Finding(NamedTuple):
    """One thing wrong with an input."""

    where: str
    """The file, and the key or row inside it."""
    what: str
    """What was found, with the value."""
    mend: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{_line(self.where)}: {_line(self.what)}. {_line(self.mend)}"


def _line(text: str) -> str:
    """A text on one line of a terminal, which it cannot command; its middle left out when long."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return _UNSEEN.sub(lambda sign: repr(sign[0])[1:-1], text)


class BadInput(ValueError):
    """A config, data row, checkpoint or file that cannot be used; carries every finding at once."""

    def __init__(self, findings: Finding | Iterable[Finding]):
        self.findings = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def bad(where: object, what: str, mend: str) -> BadInput:
    """The exception for a single finding; the caller raises it."""
    return BadInput(Finding(str(where), what, mend))
