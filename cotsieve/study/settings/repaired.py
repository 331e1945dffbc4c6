"""A study file whose wrong values are filled in, so that what lies across its keys can be judged.

What the wrong values decide must not be judged; their paths are told for that.
"""

import copy
import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from cotsieve.study.settings.mistakes import path_in_file

Path = tuple[str | int, ...]
Study = TypeVar("Study")

MODEL = {"family": "imported", "results": "x", "ablation": "x"}
FILLINGS: dict[str, Any] = {
    "study": "x",
    "sources": {"x": {"path": "x"}},
    "sources.*": {"path": "x"},
    "models": {"x": MODEL},
    "models.*": MODEL,
    "models.*.checkpoint": "x",
    "models.*.base": "x",
    "models.*.lora": {"alpha": 1.0},
    "models.*.lora.alpha": 1.0,
    "models.*.model": "x",
    "models.*.results": "x",
    "models.*.ablation": "x",
    "sweeps": {"x": {}},
    "sweeps.*": {},
    "sweeps.*.grid": None,
    "sweeps.*.conditions.*": {"operation": "zero", "layer": "middle"},
    "sieve": {"sweep": "x", "ablation": "x"},
    "sieve.sweep": "x",
    "sieve.ablation": "x",
    "draw": {},
}
"""Path, with * for a name → a value that can stand there. Other values are left out."""


def repaired(
    config: dict[str, Any],
    errors: Sequence[Any],
    validate: Callable[[dict[str, Any]], Study],
    known_keys: Sequence[str],
) -> tuple[Study, list[Path]] | None:
    """A study without the values that pydantic has `errors` for, and the paths they decide.

    First each value is filled in, then what holds those that are still wrong. None where names are
    wrong, which other keys may mean.
    """
    config, wrong = copy.deepcopy(config), []
    for widened in (lambda path: path, _holder, lambda path: path[:1]):
        for item in errors:
            path = path_in_file(item["loc"])[0]
            if "[key]" in path:
                return None
            _fill(config, widened(path))
            wrong += [widened(path), *_in_doubt(item, path, known_keys)]
        try:
            return validate(config), wrong
        except ValidationError as error:
            errors = error.errors()
    return None


def _holder(path: Path) -> Path:
    """The smallest part with a value in it that something can stand for."""
    parts = (path[:count] for count in range(len(path), 0, -1))
    return next((part for part in parts if _pattern(part)), path[:1])


def _pattern(path: Path) -> str | None:
    for pattern in FILLINGS:
        steps = pattern.split(".")
        same = (step in ("*", key) for step, key in zip(steps, path, strict=False))
        if len(steps) == len(path) and all(same):
            return pattern
    return None


def _fill(config: Any, path: Path) -> None:
    *steps, last = path
    for step in steps:
        config = config.get(step) if isinstance(config, dict) else None
    if not isinstance(config, dict):
        return  # what holds it comes next
    pattern = _pattern(path)
    if pattern:
        config[last] = copy.deepcopy(FILLINGS[pattern])
    else:
        config.pop(last, None)


def _in_doubt(item: Any, path: Path, known_keys: Sequence[str]) -> Iterator[Path]:
    """What an unknown or missing key puts in doubt besides: keys like it, the kind of its part."""
    if item["type"] == "extra_forbidden":
        if path[-1] in known_keys:
            yield path[:-1]
        for key in difflib.get_close_matches(str(path[-1]), known_keys, n=5):
            yield (*path[:-1], key)
    if item["type"] == "missing" and _pattern(path) == "models.*.checkpoint":
        yield (*path[:-1], "family")  # the usual one was taken for a model that may be of another
