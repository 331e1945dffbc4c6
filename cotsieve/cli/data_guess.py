"""What a file or hub dataset of problems looks like: its columns, format and kind of answers."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cotsieve.ground.faults import bad
from cotsieve.ground.hub import explaining
from cotsieve.problems.files.segments import rows_of
from cotsieve.study.settings.places import located

LOOKED_AT = 200
"""Rows by which a format is guessed."""
SHOWN = 60
NAMES = {
    "question": ("question", "problem", "prompt", "query", "input", "instruction"),
    "answer": ("answer", "final_answer", "expected_answer", "result", "target", "gold", "label"),
    "solution": ("solution", "rationale", "explanation", "full_solution"),
    "steps": ("steps", "n_steps", "num_steps", "reasoning_steps"),
    "id": ("id", "problem_id", "unique_id", "uid", "uuid"),
}
"""Cell of a problem → names that columns of it often have, the likeliest first."""
NUMBER = re.compile(r"\s*[$€£]?-?[\d,]*\.?\d+(?:\s*/\s*\d+)?\s*%?\s*")


class Guess(NamedTuple):
    """How a source of problems is to be read."""

    origin: dict[str, Any]
    """The keys of the source that say where it lies."""
    format: str
    columns: dict[str, str]
    grader: str
    """numbers, or math where answers are no plain numbers."""
    has_steps: bool
    shown: list[str]
    """A line per column."""


def of_file(path: str) -> Guess:
    """Raises BadInput for a file that cannot be read, or in which no column is a question."""
    first = itertools.islice(rows_of(located(path)), LOOKED_AT)
    rows = [row.value for row in first if not row.notes]
    if not rows:
        raise bad(path, "none of its first rows can be read", "Mend them, or write rows anew.")
    return _guess({"path": path}, rows, list(dict.fromkeys(k for row in rows for k in row)))


def of_hub(repo: str, subset: str, split: str) -> Guess:
    """A dataset on the hub at its present commit. Raises BadInput where it does not tell enough."""
    from huggingface_hub import HfApi

    with explaining(f"dataset {repo}", "or give the path of a file.", "there is no such file"):
        info = HfApi().dataset_info(repo)
    card = info.card_data.to_dict() if info.card_data else {}
    parts = card.get("dataset_info") or []
    parts = parts if isinstance(parts, list) else [parts]
    subsets = {part.get("config_name", "default"): part for part in parts}
    part = _chosen(repo, "configuration", subsets, subset)
    splits = {one["name"]: one for one in part.get("splits", [])}
    one = _chosen(repo, "split", splits, split or ("train" if "train" in splits else ""))
    hub = {"repo": repo, "config": part.get("config_name", "default"), "split": one["name"]}
    hub |= {"revision": info.sha, "rows": one["num_examples"]}
    return _guess({"hub": hub}, [], [feature["name"] for feature in part.get("features", [])])


def _chosen(repo: str, what: str, known: Mapping[str, Any], name: str) -> Any:
    """The one that is named, or the only one."""
    if not known:
        mend = "Write its source by hand: docs/sources.md says how."
        raise bad(f"dataset {repo}", f"its card names no {what}", mend)
    if name in known:
        return known[name]
    if name or len(known) > 1:
        told = f"has no {what} {name!r}" if name else f"has several {what}s"
        option = "--subset" if what == "configuration" else "--split"
        raise bad(f"dataset {repo}", told, f"Name one by {option}: {', '.join(known)}.")
    return next(iter(known.values()))


def _guess(origin: dict[str, Any], rows: Sequence[dict], columns: list[str]) -> Guess:
    found = _format(set(columns), rows)
    named = _columns(columns) if found == "columns" else {}
    if found == "columns" and "question" not in named:
        where = origin.get("path") or origin["hub"]["repo"]
        what = f"no column looks like a question; there are {', '.join(columns) or 'none'}"
        raise bad(where, what, "Write the study by hand and name it: columns: {question: …}.")
    lines = [f"{name}: {_example(rows, name)}" for name in columns]
    math = found in ("math", "math500", "deepscaler", "am") or not _numeric(rows, named)
    return Guess(
        origin,
        found,
        named,
        "math" if math else "numbers",
        found == "gsm8k" or "steps" in named,
        lines,
    )


def _format(columns: set[str], rows: Sequence[dict]) -> str:
    marked = any("####" in str(row.get("answer")) for row in rows)
    if {"question", "answer"} <= columns and (marked or (not rows and len(columns) == 2)):
        return "gsm8k"
    if {"problem", "solution", "answer", "subject", "level"} <= columns:
        return "math500"
    if {"problem", "solution", "level", "type"} <= columns:
        return "math"
    if {"problem", "answer", "solution"} == columns:
        return "deepscaler"
    return "am" if "messages" in columns else "columns"


def _columns(columns: Sequence[str]) -> dict[str, str]:
    """Cell → column that holds it, by its name."""
    by_name = {name.lower(): name for name in reversed(columns)}
    found = {
        part: next((by_name[name] for name in names if name in by_name), None)
        for part, names in NAMES.items()
    }
    if found["answer"]:
        found["solution"] = None  # not needed, and need not be checked
    return {part: name for part, name in found.items() if name}


def _numeric(rows: Sequence[dict], named: Mapping[str, str]) -> bool:
    answers = [str(row.get(named["answer"])) for row in rows] if "answer" in named else []
    return all(map(NUMBER.fullmatch, answers))


def _example(rows: Sequence[dict], name: str) -> str:
    value = next((row[name] for row in rows if row.get(name) is not None), "")
    told = "".join(sign if sign.isprintable() else " " for sign in str(value))
    told = " ".join(told.split())
    return told if len(told) <= SHOWN else f"{told[: SHOWN - 1]}…"
