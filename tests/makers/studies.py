"""Plain studies for tests, as a study file would hold them."""

import copy
from collections.abc import Mapping
from typing import Any

REMOVED = object()
"""A change that takes the key out."""

MINIMAL: dict[str, Any] = {
    "study": "toy",
    "sources": {"toy": {"path": "problems.jsonl"}},
    "models": {
        "tiny": {"checkpoint": "ckpt", "base": "base", "lora": {"rank": 4, "alpha": 2}},
    },
    "sweeps": {"main": {"conditions": {"zero-middle": {"operation": "zero", "layer": "middle"}}}},
    "sieve": {"sweep": "main", "ablation": "zero-middle"},
    "draw": {"targets": {"2-step": 3, "5+step": 2}},
}


def changed(path: str, value: Any, study: Mapping[str, Any] = MINIMAL) -> dict[str, Any]:
    """A copy of a study with one value set, or REMOVED; steps of the path are parted by blanks."""
    result = copy.deepcopy(dict(study))
    *steps, last = path.split()
    part: Any = result
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part.setdefault(step, {})
    if value is REMOVED:
        del part[last]
    else:
        part[last] = value
    return result
