"""Traces that lead to the right answer: which of them are published, and in what forms."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.shares import share
from cotsieve.ground.seeds import seed_from
from cotsieve.rollouts.schema import BASELINE

TRACES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("source", pa.string()),
        ("row", pa.int32()),
        ("level", pa.int32()),
        ("subject", pa.string()),
        ("question", pa.string()),
        ("thought", pa.string()),
        ("response", pa.string()),  # what follows the thought
        ("reference_answer", pa.string()),
        ("prediction", pa.string()),  # what the grader read from the response
        ("grader", pa.string()),
        ("model", pa.string()),
        ("sample", pa.int32()),
        ("thought_tokens", pa.int32()),
        ("response_tokens", pa.int32()),
        ("samples", pa.int32()),  # of this problem, failed ones left out
        ("correct_samples", pa.int32()),
    ]
)
UNSOLVED = (
    "problem_id", "source", "row", "level", "subject", "reference_answer",
    "samples", "incorrect", "no_answer", "failed", "unfinished", "malformed", "short",
    "why", "question",
)  # fmt: skip
"""Columns of the list of problems without a trace to publish."""


def verified_traces(
    merged: pa.Table,
    problems: pa.Table,
    *,
    sweep: str,
    close: str,
    model: str,
    grader: str,
    choose: str = "shortest",
    per_problem: int = 1,
    seed: int = 0,
    least_tokens: int = 0,
) -> tuple[list[dict], list[dict]]:
    """Rows of TRACES and of UNSOLVED, in the order of `problems`.

    A trace is verified when it ended of itself, closes its thought once (with the tag `close`),
    has `least_tokens` in its thought, and its answer was graded correct. Of those, `choose` takes
    `per_problem`: the shortest in tokens, the first samples, or ones drawn by `seed` and the
    problem's id.
    """
    wanted = (pc.field("sweep") == sweep) & (pc.field("condition") == BASELINE)
    samples: dict[str, list[dict]] = {}
    for row in merged.filter(wanted).select(_READ).to_pylist():
        samples.setdefault(row["problem_id"], []).append(row)
    traces: list[dict] = []
    unsolved: list[dict] = []
    for problem in problems.select(_ABOUT).to_pylist():
        rows = samples.get(problem["problem_id"], [])
        about = {name: problem[name] for name in _ABOUT if name != "answer"}
        about["reference_answer"] = problem["answer"]
        good = [row for row in rows if _verified(row, close, least_tokens)]
        if not good:
            unsolved.append(about | _outcome(rows, close, least_tokens))
            continue
        counts = {
            "samples": sum(row["verdict"] != "failed" for row in rows),
            "correct_samples": sum(row["verdict"] == "correct" for row in rows),
        }
        for row in chosen(good, choose, per_problem, seed):
            traces.append(about | counts | _trace(row, close, model, grader))
    return traces, unsolved


def chosen(rows: Sequence[dict], choose: str, count: int, seed: int = 0) -> list[dict]:
    """Up to `count` of the samples of one problem, in the order of the samples."""
    rows = sorted(rows, key=lambda row: row["sample"])
    if choose == "shortest":
        taken = sorted(rows, key=lambda row: row["thought_tokens"] + row["answer_tokens"])[:count]
    elif choose == "first":
        taken = rows[:count]
    else:
        draw = random.Random(seed_from("published trace", seed, rows[0]["problem_id"]))
        taken = draw.sample(rows, min(count, len(rows)))
    return sorted(taken, key=lambda row: row["sample"])


def am_row(trace: Mapping[str, Any]) -> dict[str, Any]:
    """A row of TRACES in the message format of AM-DeepSeek-R1-Distilled (Zhao et al. 2025)."""
    thought, answer = trace["thought"], trace["response"]
    return {
        "messages": [
            {
                "role": "user",
                "content": trace["question"],
                "info": {
                    "source": trace["source"],
                    "reference_answer": trace["reference_answer"],
                    "test_case": None,
                },
            },
            {
                "role": "assistant",
                "content": f"<think>{thought}</think>\n<answer>{answer}</answer>",
                "info": {
                    "source": trace["model"],
                    "think_content": thought,
                    "answer_content": answer,
                },
            },
        ]
    }


_ABOUT = ("problem_id", "source", "row", "level", "subject", "question", "answer")
_READ = [
    "problem_id", "sample", "text", "answer_text", "thought_tokens", "answer_tokens",
    "finish_reason", "error", "prediction", "verdict",
]  # fmt: skip


def solved_problems(
    rollouts: pa.Table, grades: pa.Table, close: str, least_tokens: int = 0
) -> set[str]:
    """The ids of problems with a verified trace among the baseline rollouts of a shard."""
    columns = ["problem_id", "condition", "text", "answer_text", "finish_reason", "thought_tokens"]
    rows = rollouts.select(columns).append_column("verdict", grades["verdict"])
    return {
        row["problem_id"]
        for row in rows.filter(pc.field("condition") == BASELINE).to_pylist()
        if _verified(row, close, least_tokens)
    }


def _verified(row: Mapping[str, Any], close: str, least_tokens: int) -> bool:
    right = row["verdict"] == "correct" and row["finish_reason"] == "stop"
    return right and _formed(row, close) and row["thought_tokens"] >= least_tokens


def _formed(row: Mapping[str, Any], close: str) -> bool:
    """One thought and one answer."""
    return row["answer_text"] is not None and row["text"].count(close) <= 1


def _trace(row: Mapping[str, Any], close: str, model: str, grader: str) -> dict[str, Any]:
    thought = row["text"].removesuffix(row["answer_text"]).removesuffix(close)
    told = {name: row[name] for name in ("sample", "prediction", "thought_tokens")}
    told |= {"response_tokens": row["answer_tokens"], "model": model, "grader": grader}
    return told | {"thought": thought, "response": row["answer_text"]}


def _outcome(rows: Iterable[Mapping[str, Any]], close: str, least_tokens: int) -> dict[str, Any]:
    """Why none of the samples of a problem is published."""
    rows = list(rows)
    verdicts = Counter(row["verdict"] for row in rows)
    right = [row for row in rows if row["verdict"] == "correct"]
    ended = [row for row in right if row["finish_reason"] == "stop"]
    counts = {name: verdicts[name] for name in ("incorrect", "no_answer", "failed")}
    counts |= {"samples": len(rows), "unfinished": len(right) - len(ended)}
    counts["malformed"] = sum(not _formed(row, close) for row in ended)
    formed = [row for row in ended if _formed(row, close)]
    counts["short"] = sum(row["thought_tokens"] < least_tokens for row in formed)
    errors = Counter(row["error"] for row in rows if row["error"])
    why = errors.most_common(1)[0][0] if errors else "no sample is verified"
    return counts | {"why": why}


def solved(traces: Iterable[Mapping[str, Any]], unsolved: Sequence[Mapping[str, Any]]) -> str:
    """The share of problems with a verified trace, with its interval."""
    found = len({trace["problem_id"] for trace in traces})
    return str(share(found, found + len(unsolved)))
