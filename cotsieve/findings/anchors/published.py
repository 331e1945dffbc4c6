"""Published rollouts of "Thought Anchors": folders of the layout of uzaymacar/math-rollouts.

A tree holds `problem_<id>/` folders with problem.json, base_solution.json, chunks.json and
chunk_<i>/solutions.json; forced answers lie in a tree beside it whose name ends in _forced_answer.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import bad

FORCED_TREE = "_forced_answer"
ROLLOUTS_TABLE, PROBLEMS_LINES = "rollouts.parquet", "problems.jsonl.gz"
"""The other layout: a table of rollouts without their texts, and the problems."""
NEEDED = ("problem.json", "base_solution.json", "chunks.json")

Entry = dict[str, Any]
"""One of solutions.json."""


@dataclass(frozen=True)
class PublishedTrace:
    """One base solution, its sentences and the rollouts around them, as they were published."""

    problem_id: str
    """The name of its folder, with those above where traces of one problem lie in several trees."""
    folder: str
    """Where it lay, from the top of the tree on."""
    problem: Mapping[str, Any]
    base: Mapping[str, Any]
    chunks: list[str]
    thought: str
    """The text the sentences were found in."""
    rollouts: Mapping[int, list[Entry]]
    """Sentence → its entries, failed ones among them; only those that have a file."""
    forced: Mapping[int, list[Entry]] = field(default_factory=dict)
    labels: list[Entry] | None = None


def published_traces(root: str | Path) -> Iterator[PublishedTrace]:
    """The traces in a folder, in the order of their paths; trees of forced answers are joined.

    Raises BadInput for a folder without any, and for files that are no JSON of this layout.
    """
    root = Path(root)
    if (root / ROLLOUTS_TABLE).is_file():
        yield from _tabled(root)
        return
    folders = sorted(path.parent for path in root.rglob("chunks.json"))
    folders = [path for path in folders if not path.parent.name.endswith(FORCED_TREE)]
    if not folders:
        what = "there is no problem_<id> folder with a chunks.json in it"
        raise bad(root, what, "Give the folder that holds the published problems.")
    trees = len({folder.parent for folder in folders})
    for folder in folders:
        place = folder.relative_to(root)
        yield read_trace(folder, root, folder.name if trees == 1 else ".".join(place.parts))


def read_trace(folder: Path, root: Path, name: str) -> PublishedTrace:
    """The trace in one folder. Raises BadInput where a file is missing or not of this layout."""
    for needed in NEEDED:
        if not (folder / needed).is_file():
            mend = "Fetch the whole folder of the problem again."
            raise bad(folder, f"there is no {needed}", mend)
    problem, base, chunks = (_loaded(folder / needed, dict) for needed in NEEDED)
    labelled = folder / "chunks_labeled.json"
    beside = folder.parent.with_name(folder.parent.name + FORCED_TREE) / folder.name
    return PublishedTrace(
        name,
        folder.relative_to(root).as_posix(),
        problem,
        base,
        _texts(folder / "chunks.json", chunks),
        str(chunks.get("solution_text", "")),
        _solutions(folder),
        _solutions(beside),
        _loaded(labelled, list) if labelled.is_file() else None,
    )


def _texts(path: Path, chunks: Mapping[str, Any]) -> list[str]:
    found = chunks.get("chunks")
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise bad(path, "it has no list of sentences under `chunks`", "Fetch the file again.")
    return found


def _solutions(folder: Path) -> dict[int, list[Entry]]:
    found = {}
    for path in folder.glob("chunk_*/solutions.json"):
        number = re.fullmatch(r"chunk_(\d+)", path.parent.name)
        if number:
            found[int(number[1])] = _loaded(path, list)
    return dict(sorted(found.items()))


def _loaded(path: Path, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad(path, f"cannot be read as JSON ({error})", "Fetch the file again.") from None
    if not isinstance(value, kind):
        named = "an object" if kind is dict else "a list"
        raise bad(path, f"it is not {named}", "Fetch the file again.")
    return value


def _tabled(root: Path) -> Iterator[PublishedTrace]:
    """The traces of a table of rollouts: answers and first sentences, no whole texts."""
    columns = [
        "problem_id",
        "chunk_idx",
        "chunk_removed",
        "chunk_resampled",
        "answer",
        "is_correct",
    ]
    try:
        lines = gzip.decompress((root / PROBLEMS_LINES).read_bytes()).decode().splitlines()
        problems = [json.loads(line) for line in lines]
        table = pq.read_table(root / ROLLOUTS_TABLE, columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        what = f"its tables cannot be read ({error})"
        raise bad(root, what, f"It needs {ROLLOUTS_TABLE} and {PROBLEMS_LINES}.") from None
    found: dict[str, dict[int, list[Entry]]] = {}
    for row in table.to_pylist():
        rollouts = found.setdefault(str(row["problem_id"]), {})
        rollouts.setdefault(row["chunk_idx"], []).append({name: row[name] for name in columns[2:]})
    for problem in problems:
        number = str(problem["problem_id"])
        thought = problem["base_solution"].partition("</think>")[0].strip()
        base = {
            "prompt": problem["prompt"],
            "solution": problem["base_solution"],
            "full_cot": problem["prompt"] + problem["base_solution"],
            "answer": problem["base_answer"],
            "is_correct": problem["base_is_correct"],
        }
        name = f"problem_{number}"
        rollouts = dict(sorted(found.get(number, {}).items()))
        yield PublishedTrace(name, name, problem, base, problem["chunks"], thought, rollouts)
