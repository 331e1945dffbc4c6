"""Traces in the file form of "From Reasoning to Answer" (Zhang et al. 2025, microsoft/ACV).

JSON lines with `unique_id`, `problem` and `response`, a file per source, mode and sample; a
response is begin token, prompt and continuation, and the end token where it ended of itself.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.answers.thinking import CLOSE, END
from cotsieve.ground.faults import Finding
from cotsieve.ground.files import write_text
from cotsieve.interventions.prompts import Reasoning, raw_prompt, split_response, trace_file
from cotsieve.problems.files.records import read_records, refuse
from cotsieve.problems.files.segments import place

BEGIN = "<｜begin▁of▁sentence｜>"
"""The begin token of the distilled DeepSeek R1 models."""
_MODES = ("empty", "finished")
_KEYS = ("unique_id", "problem", "response")
_READ = ("problem_id", "source", "sample", "condition", "text", "finish_reason")


def export_traces(
    folder: str | Path,
    merged: pa.Table,
    problems: pa.Table,
    *,
    sweep: str,
    conditions: Mapping[str, Mapping[str, Any] | None],
    model: str,
    instruction: bool,
    greedy: bool,
    close: str = CLOSE,
) -> list[str]:
    """Write the files of a sweep below `folder`; their names, in order.

    The baseline is the mode "with"; of the others, those that only give an empty or a finished
    thought have a mode of that form. Rollouts that failed have no response and are left out.
    """
    modes = {name: mode for name, what in conditions.items() if (mode := _mode(what))}
    questions = dict(zip(*(problems[name].to_pylist() for name in _ABOUT), strict=True))
    files: dict[str, list[str]] = {}
    for row in merged.filter(pc.field("sweep") == sweep).select(_READ).to_pylist():
        mode = modes.get(row["condition"])
        if mode is None or row["text"] is None:
            continue
        problem = questions[row["problem_id"]]
        ended = END if row["finish_reason"] == "stop" else ""
        written = row["text"].replace(close, CLOSE) + ended
        response = BEGIN + raw_prompt(problem, mode, instruction) + written
        line = {"unique_id": row["problem_id"], "problem": problem, "response": response}
        name = trace_file(row["source"], model, mode, greedy, False, row["sample"])
        files.setdefault(name, []).append(json.dumps(line, ensure_ascii=False) + "\n")
    for name, lines in files.items():
        write_text(Path(folder) / name, "".join(lines))
    return list(files)


def read_trace_file(path: str | Path) -> Iterator[tuple[str, str, Reasoning]]:
    """Id, problem and the response taken apart, row by row. Raises BadInput with every bad row."""
    rows = read_records(Path(path))
    refuse(
        Finding(place(Path(path), index), f"it has no text {key!r}", f"Write {key!r} as text.")
        for index, row in enumerate(rows)
        for key in _KEYS
        if not isinstance(row.get(key), str)
    )
    for row in rows:
        yield row["unique_id"], row["problem"], split_response(row["response"])


_ABOUT = ("problem_id", "question")


def _mode(definition: Mapping[str, Any] | None) -> str | None:
    """The mode of that study that a condition is; None for what it did not run."""
    if definition is None:
        return "with"
    kind = definition.get("reasoning")
    return kind if kind in _MODES and set(definition) == {"reasoning"} else None
