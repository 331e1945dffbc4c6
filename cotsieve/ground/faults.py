"""What is wrong with an input, said so that its owner can mend it."""

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing wrong with an input."""

    where: str
    """The file, and the key or row inside it."""
    what: str
    """What was found, with the value."""
    mend: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.mend}"


class BadInput(ValueError):
    """A config, data row, checkpoint or file that cannot be used; carries every finding at once."""

    def __init__(self, findings: Finding | Iterable[Finding]):
        self.findings = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def bad(where: object, what: str, mend: str) -> BadInput:
    """The exception for a single finding; the caller raises it."""
    return BadInput(Finding(str(where), what, mend))
