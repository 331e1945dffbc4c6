"""What the embedded reasoning model answers with its reasoning intact, changed and gone.

Everything runs through the engine that the workflow uses, on the exported files.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotsieve.answers.boxed import last_box
from cotsieve.answers.thinking import CLOSE, OPEN
from cotsieve.demo import stories
from cotsieve.demo.reasoner_text import FORCED_ANSWER
from cotsieve.demo.tiny_evaluation import percent
from cotsieve.engine.loading import load_reasoning_model
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.interventions.prompts import INSTRUCTION
from cotsieve.interventions.text import altered_answer
from cotsieve.problems.problem import STRATA, Problem, difficulty
from cotsieve.rollouts.given_reasoning import Trace, stored_trace
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE
from cotsieve.rollouts.written_rows import ablate, trace

STYLE = {
    "prompt": "raw",
    "instruction": INSTRUCTION,
    "open": OPEN,
    "close": CLOSE,
    "forced_answer": FORCED_ANSWER,
}
DECODING = {"max_new_tokens": 96, "temperature": 0.0, "top_p": 1.0, "samples": 1, "seed": 0}
CONDITIONS: dict[str, dict[str, Any] | None] = {
    BASELINE: None,
    "empty": {"reasoning": "empty"},
    "finished": {"reasoning": "finished"},
    "direct": {"reasoning": "empty", "answer": "forced"},
    "half": {"reasoning": "truncate", "fraction": 0.5},
    "half, forced": {"reasoning": "truncate", "fraction": 0.5, "answer": "forced"},
    "drop answer statement": {"reasoning": "drop-answer-statement"},
    "alter statement": {"reasoning": "alter-statement"},
    "alter all": {"reasoning": "alter-all"},
    "swap": {"reasoning": "swap"},
    "shuffle": {"reasoning": "shuffle"},
    "blocked": {"reasoning": "keep", "attention": "blocked"},
}
WELL_FORMED = re.compile(re.escape(FORCED_ANSWER) + r"[0-9]+\}\.")

Rows = dict[str, dict[str, Any]]
"""Rollouts of one condition by problem."""


def load(folder: Path, batch_rows: int = 64) -> ReasoningModel:
    """The exported model, ready to run on the CPU."""
    definition = {"precision": "float32", "style": STYLE}
    files = {"model": str(folder)}
    return load_reasoning_model(definition, files, DECODING, device="cpu", batch_rows=batch_rows)


def as_problems(drawn: Sequence[stories.Problem]) -> list[Problem]:
    """Stories as the problems that the engine reads."""
    return [
        Problem(
            problem_id=f"story-{row}",
            source="stories",
            row=row,
            question=story.question,
            solution=story.answer,
            answer=str(story.result),
            steps=len(story.steps),
            stratum=difficulty(len(story.steps)),
        )
        for row, story in enumerate(drawn)
    ]


def rollouts(
    model: ReasoningModel,
    problems: Sequence[Problem],
    conditions: Mapping[str, dict[str, Any] | None] = CONDITIONS,
) -> dict[str, Rows]:
    """Traces of the problems and what is answered under every other condition.

    The problems are each other's donors of foreign reasoning.
    """
    recipe = Recipe(conditions, {"decoding": DECODING}, "the problems themselves")
    made = {row["problem_id"]: row for rows in trace(model, recipe, problems, [0]) for row in rows}
    stored: list[Trace] = [
        stored_trace(model, problem, made[problem.problem_id], given=False) for problem in problems
    ]
    found: dict[str, Rows] = {name: {} for name in conditions} | {BASELINE: made}
    for rows in ablate(model, recipe, stored, {}, donors=stored):
        for row in rows:
            found[row["condition"]][row["problem_id"]] = row
    return found


def survey(folder: Path, drawn: Sequence[stories.Problem]) -> dict[str, Any]:
    """Accuracy and form in per cent, by condition and stratum, and the time it took in seconds."""
    start = time.process_time()
    problems = as_problems(drawn)
    found = rollouts(load(folder), problems)
    seconds = time.process_time() - start
    return {
        "problems": {name: sum(p.stratum == name for p in problems) for name in STRATA},
        "accuracy": {name: _by_stratum(problems, rows) for name, rows in found.items()},
        "well_formed": {
            name: percent(sum(map(_well_formed, rows.values())), len(rows))
            for name, rows in found.items()
        },
        "follows_altered_statement": {
            name: _following(found[BASELINE], found[name])
            for name in ("alter statement", "alter all")
        },
        "cpu_seconds": round(seconds, 1),
    }


def _by_stratum(problems: Sequence[Problem], rows: Rows) -> dict[str, float]:
    right = {p: last_box(rows[p.problem_id]["answer_text"] or "") == p.answer for p in problems}
    groups = {"all": list(problems)}
    groups |= {name: [p for p in problems if p.stratum == name] for name in STRATA}
    return {name: percent(sum(right[p] for p in part), len(part)) for name, part in groups.items()}


def _well_formed(row: dict[str, Any]) -> bool:
    text = row["answer_text"] or ""
    return row["finish_reason"] == "stop" and bool(WELL_FORMED.fullmatch(text))


def _following(intact: Rows, altered: Rows) -> float:
    """Share of altered traces, in per cent, whose answer is the altered number."""
    pairs = [
        (last_box(intact[problem]["answer_text"] or ""), row)
        for problem, row in altered.items()
        if not row["error"]
    ]
    followed = [
        last_box(row["answer_text"] or "") == altered_answer(stated)
        for stated, row in pairs
        if stated
    ]
    return percent(sum(followed), len(followed))
