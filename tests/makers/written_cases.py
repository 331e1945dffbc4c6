"""Merged rows of a model that writes its reasoning."""

import pyarrow as pa
from findings_cases import problem_row

from cotsieve.findings.merge import MERGED
from cotsieve.problems.problem import PROBLEMS


def merged_row(
    problem_id: str,
    verdict: str = "correct",
    sample: int = 0,
    condition: str = "baseline",
    thought: str | None = "I think.\n",
    answer: str | None = "\n\nIt is \\boxed{3}.",
    finish: str = "stop",
    tokens: tuple[int, int] = (4, 5),
) -> dict:
    """`thought` None: it was read, not written; `answer` None: the thought never closed."""
    written = "" if thought is None else thought + ("" if answer is None else "</think>")
    failed = verdict == "failed"
    return {
        "sweep": "main",
        "condition": condition,
        "problem_id": problem_id,
        "sample": sample,
        "text": None if failed else written + (answer or ""),
        "answer_text": None if failed else answer,
        "thought_tokens": None if failed else tokens[0],
        "answer_tokens": None if failed else tokens[1],
        "finish_reason": "failed" if failed else finish,
        "error": "too long" if failed else None,
        "prediction": "3" if verdict == "correct" else None,
        "verdict": verdict,
    }


def merged_of(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=MERGED)


def problems_of(names: list[str]) -> pa.Table:
    rows = [
        problem_row(name) | {"level": 1 + place % 2, "subject": "Algebra"}
        for place, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, schema=PROBLEMS)
