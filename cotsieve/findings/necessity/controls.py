"""Every condition of a sweep on the same problems: what else breaks a correct answer, what failed.

Whether a chain of thought is needed cannot be told from one ablation alone: a perturbation that
removes nothing of it may break as many answers.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.failure_kinds import Failure
from cotsieve.findings.necessity import judging as necessity
from cotsieve.findings.necessity.judging import outcomes
from cotsieve.findings.paired import Paired
from cotsieve.findings.shares import Share, certain, share
from cotsieve.rollouts.schema import BASELINE

MERGED_COLUMNS = (*necessity.MERGED_COLUMNS, "error", "finish_reason", "followed")
"""What is read of the merged table."""
HOW_TO_READ = (
    "What one removal of the chain of thought breaks and another leaves right was broken by the "
    "way of removing it. Where all of them break it, the chain was used, or nothing else will do "
    "in its place; a lesser perturbation, such as weak noise, tells these two apart."
)
"""For card and page; `docs/interventions.md` says more."""


class Control(NamedTuple):
    """One condition, on the problems that failed under no condition of the sweep."""

    condition: str
    correct: Share
    """Of those problems."""
    broken: Share
    """No longer right, of the problems right at baseline."""
    broken_of_needed: Share
    """No longer right, of the problems found to need their chain of thought."""
    net: Paired
    """Of those problems: right at baseline and under the condition."""
    followed: Share | None
    """Answers equal to the altered statement, of those that could be compared with it; None where
    the reasoning was not altered."""


def controls(
    merged: pa.Table, rows: Iterable[Mapping], sweep: str, decides: str | None = None
) -> list[Control]:
    """One entry per condition of the sweep, in the order of the merged table.

    `rows` are the NECESSITY rows, `decides` the ablation of this sweep that made them, if it was
    one. A problem is right under a condition when at least half of its samples are.
    """
    rows = list(rows)
    conditions = _of_sweep(merged, sweep)["condition"].unique().to_pylist()
    right: dict[str, set[str]] = {}
    usable = {row["problem_id"] for row in rows}
    for condition in conditions:
        found = outcomes(merged, sweep, condition)
        right[condition] = {key for key, one in found.items() if one.verdict == "correct"}
        usable -= {key for key, one in found.items() if one.verdict == "failed"}
    at_baseline = right.get(BASELINE, set()) & usable
    needed = {row["problem_id"] for row in rows if row["needs_cot"]} & usable
    followed = _followed(merged, sweep)
    return [
        _control(
            condition, right[condition] & usable, at_baseline, needed, len(usable), decides
        )._replace(followed=followed.get(condition))
        for condition in conditions
    ]


def _control(
    condition: str,
    right: set[str],
    at_baseline: set[str],
    needed: set[str],
    total: int,
    decides: str | None,
) -> Control:
    """What is so by definition has no interval."""
    both, gained = len(right & at_baseline), len(right - at_baseline)
    lost = len(at_baseline) - both
    of_all = certain if condition == BASELINE else share
    of_needed = certain if condition in (BASELINE, decides) else share
    return Control(
        condition=condition,
        correct=share(len(right), total),
        broken=of_all(lost, len(at_baseline)),
        broken_of_needed=of_needed(len(needed - right), len(needed)),
        net=Paired(both, lost, gained, total - both - lost - gained),
        followed=None,
    )


def _followed(merged: pa.Table, sweep: str) -> dict[str, Share]:
    """Condition that alters a statement → how many of its answers are that statement."""
    wanted = (pc.field("sweep") == sweep) & pc.is_valid(pc.field("followed"))
    rows = merged.select(["sweep", "condition", "followed"]).filter(wanted)
    found = rows.group_by("condition", use_threads=False).aggregate(
        [("followed", "sum"), ("followed", "count")]
    )
    return {
        row["condition"]: share(row["followed_sum"], row["followed_count"])
        for row in found.to_pylist()
    }


def failures(merged: pa.Table, sweep: str) -> list[Failure]:
    """The failed rollouts of a sweep with their reasons, in the order of the merged table."""
    found = _of_sweep(merged, sweep).filter(pc.field("verdict") == "failed")
    return [
        Failure(
            sweep, row["condition"], row["problem_id"], row["error"] or "no reason was recorded"
        )
        for row in found.select(["condition", "problem_id", "error"]).to_pylist()
    ]


def cut_off(merged: pa.Table, sweep: str) -> int:
    """Baseline rollouts of a sweep that ended because they were as long as they might be."""
    wanted = (
        (pc.field("sweep") == sweep)
        & (pc.field("condition") == BASELINE)
        & (pc.field("finish_reason") == "length")
    )
    return merged.select(["sweep", "condition", "finish_reason"]).filter(wanted).num_rows


def _of_sweep(merged: pa.Table, sweep: str) -> pa.Table:
    columns = ["sweep", "condition", "problem_id", "verdict", "error"]
    return merged.select(columns).filter(pc.field("sweep") == sweep)
