"""The params of a job by name: the rules give dicts with the names inside.

Snakemake compares params as a set of values without names, so the names are part of the values.
"""

from collections.abc import Iterable, Mapping
from typing import Any


def named(params: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Name → value, of all dicts together."""
    return {name: value for param in params for name, value in param.items()}
