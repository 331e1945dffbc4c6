"""Rows of a small study in memory."""

import pyarrow as pa

from cotsieve.problems.problem import PROBLEMS
from cotsieve.rollouts.schema import ROLLOUTS


def problem_row(problem_id: str, answer: str = "3", steps: int = 2, source: str = "test") -> dict:
    """A row of PROBLEMS."""
    return {
        "problem_id": problem_id,
        "source": source,
        "row": int(problem_id.rpartition("_")[2]),
        "question": f"What is {problem_id}?",
        "solution": f"It is {answer}.",
        "answer": answer,
        "steps": steps,
        "stratum": "2-step" if steps <= 2 else "3-step",
        "error": None,
    }


def rollout_row(problem_id: str, condition: str, text: str | None, sample: int = 0) -> dict:
    """A row of ROLLOUTS; no text means that it failed."""
    return {
        "problem_id": problem_id,
        "condition": condition,
        "sample": sample,
        "token_ids": None if text is None else list(text.encode()),
        "text": text,
        "answer_text": text,
        "finish_reason": "failed" if text is None else "stop",
        "error": "too long" if text is None else None,
        "prompt_tokens": 4,
        "margin": 0.5,
        "imported_prediction": None,
        "row_key": f"{problem_id}/{condition}/{sample}",
    }


def problems_of(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=PROBLEMS)


def rollouts_of(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=ROLLOUTS)
