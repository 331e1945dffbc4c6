"""Rows of sources as files hold them, and how they are read."""

import json
from pathlib import Path

from cotsieve.problems.catalogue import open_catalogue
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
