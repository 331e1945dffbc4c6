"""Rows of sources as files hold them, and how they are read."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from cotsieve.problems.candidates import Pool
from cotsieve.problems.catalogue import Catalogue, open_catalogue
from cotsieve.problems.index import ENTRY, entry, kind_of
from cotsieve.problems.problem import Problem

GOOD = {"question": "One and one?", "answer": "<<1+1=2>>\n#### 2", "id": "first"}
MAPPED = {"format": "columns", "columns": {"question": "question", "answer": "answer"}}
GSM8K = {"format": "gsm8k"}
PAIRS = {"format": "pairs"}


def json_lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def read_source(name: str, definition: dict, path: Path) -> list[Problem]:
    """The problems of a file, in file order."""
    return list(open_catalogue(name, definition, path).problems())


class InMemory(Catalogue):
    """A catalogue of problems that no file holds."""

    def __init__(self, name: str, problems: Sequence[Problem]):
        self.name, self._held = name, list(problems)
        kinds = {kind_of(problem): None for problem in problems}
        self.kinds = list(kinds)
        entries = [entry(problem, self.kinds.index(kind_of(problem))) for problem in problems]
        self.index = np.array(entries, ENTRY)

    @cached_property
    def places(self) -> np.ndarray:
        return np.arange(len(self._held))

    def problems(self, places=None):
        return (self._held[at] for at in (self.places if places is None else places))


def pool_of(name: str, problems: Sequence[Problem]) -> Pool:
    """Problems as those of a source."""
    made = InMemory(name, problems)
    return Pool(made, made.places)
