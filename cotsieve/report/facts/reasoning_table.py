"""What reasoning does to a model's accuracy: its own reasoning against every ablation of it."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from cotsieve.findings.paired import shown_p
from cotsieve.findings.reasoning.effect import Comparison, Effect, Run, effect, effect_by
from cotsieve.findings.reasoning.runs import runs
from cotsieve.report.facts.inputs import ModelTables
from cotsieve.report.facts.wording import described, plain_share
from cotsieve.rollouts.schema import BASELINE


def reasoning_effects(tables: ModelTables, problems: pa.Table) -> list[dict[str, Any]]:
    """One entry per ablation of a reasoning model, in order; empty for other models.

    Compares the first sample of the baseline with the same under the ablation, problem by problem.
    `groups` holds the same by level and subject for the ablation that decides.
    """
    if tables.family != "reasoning":
        return []
    found = []
    for sweep, conditions in tables.conditions.items():
        by_condition = runs(tables.merged, problems, sweep, tables.close, tables.given)
        baseline = by_condition.get(BASELINE, [])
        for condition in conditions:
            others = by_condition.get(condition)
            if condition == BASELINE or not baseline or others is None:
                continue
            decides = (sweep, condition) == (tables.sweep, tables.condition)
            words = described(tables.definition(sweep, condition))
            entry = {"sweep": sweep, "condition": condition, "words": words}
            entry |= _entry(effect(baseline, others))
            entry["groups"] = _groups(baseline, others) if decides else []
            found.append(entry)
    return found


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
        "difference": found.difference and found.difference._asdict(),
        "mcnemar_p": found.mcnemar_p,
        "mcnemar_p_shown": shown_p(found.mcnemar_p),
    }
