"""What reasoning does to a model's accuracy: its own reasoning against every ablation of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.reasoning_effect import Comparison, Effect, Run, effect, effect_by, shown_p
from cotsieve.report.inputs import ModelTables
from cotsieve.report.wording import described, plain_share
from cotsieve.rollouts.schema import BASELINE

_READ = [
    "condition", "problem_id", "verdict", "finish_reason", "answer_begun", "thought_tokens",
    "answer_tokens",
]  # fmt: skip


def reasoning_effects(tables: ModelTables, problems: pa.Table) -> list[dict[str, Any]]:
    """One entry per ablation of a reasoning model, in order; empty for other models.

    Compares the first sample of the baseline with the same under the ablation, problem by problem.
    `groups` holds the same by level and subject for the ablation that decides.
    """
    if tables.family != "reasoning":
        return []
    about = {
        row["problem_id"]: (row["level"], row["subject"])
        for row in problems.select(["problem_id", "level", "subject"]).to_pylist()
    }
    found = []
    for sweep, conditions in tables.conditions.items():
        runs = _runs(tables, sweep, about)
        if BASELINE not in runs:
            continue
        for condition in conditions:
            if condition == BASELINE or condition not in runs:
                continue
            entry = _entry(effect(runs[BASELINE], runs[condition]))
            entry |= {"sweep": sweep, "condition": condition}
            entry["words"] = described(tables.definition(sweep, condition))
            decides = (sweep, condition) == (tables.sweep, tables.condition)
            entry["groups"] = _groups(runs[BASELINE], runs[condition]) if decides else []
            found.append(entry)
    return found


def _runs(
    tables: ModelTables, sweep: str, about: Mapping[str, tuple[int | None, str | None]]
) -> dict[str, list[Run]]:
    """Condition → the first sample of every problem."""
    first = (pc.field("sweep") == sweep) & (pc.field("sample") == 0)
    begun = pc.is_valid(tables.merged["answer_text"])
    rows = tables.merged.append_column("answer_begun", begun).filter(first).select(_READ)
    runs: dict[str, list[Run]] = {}
    for row in rows.to_pylist():
        level, subject = about.get(row["problem_id"], (None, None))
        run = Run(
            row["problem_id"],
            row["verdict"],
            finished=row["finish_reason"] == "stop",
            format_ok=row["answer_begun"],
            level=None if level is None else f"Level {level}",
            subject=subject,
            think_length=row["thought_tokens"],
            answer_length=row["answer_tokens"],
        )
        runs.setdefault(row["condition"], []).append(run)
    return runs


def _groups(with_: Iterable[Run], without: Iterable[Run]) -> list[dict[str, Any]]:
    with_, without = list(with_), list(without)
    return [
        {"by": by, "group": name, **_comparison(found.everything)}
        for by in ("level", "subject")
        for name, found in effect_by(by, with_, without).items()
    ]


def _entry(found: Effect) -> dict[str, Any]:
    with_, without = found.lengths_with, found.lengths_without
    return {
        "everything": _comparison(found.everything),
        "common": _comparison(found.common),
        "failed": found.failed,
        "think_tokens": with_.think.mean,
        "answer_tokens": with_.answer.mean,
        "answer_tokens_without": without.answer.mean,
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "problems": found.with_reasoning.total,
        "with": plain_share(found.with_reasoning),
        "without": plain_share(found.without),
        "correct_to_wrong": found.with_only,
        "wrong_to_correct": found.without_only,
        "t": found.t,
        "t_p": found.t_p,
        "t_p_shown": shown_p(found.t_p),
        "mcnemar_p": found.mcnemar_p,
        "mcnemar_p_shown": shown_p(found.mcnemar_p),
    }
