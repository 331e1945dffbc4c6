"""Every condition of a sweep on the same problems: what else breaks a correct answer, what failed.

Whether a chain of thought is needed cannot be told from one ablation alone: a perturbation that
removes nothing of it may break as many answers.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.necessity import judging as necessity
from cotsieve.findings.necessity.judging import outcomes
from cotsieve.findings.shares import Share, share
from cotsieve.rollouts.schema import BASELINE

MERGED_COLUMNS = (*necessity.MERGED_COLUMNS, "error", "finish_reason")
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


class Failure(NamedTuple):
    """A rollout that could not be made."""

    condition: str
    problem_id: str
    error: str


def controls(merged: pa.Table, rows: Iterable[Mapping], sweep: str) -> list[Control]:
    """One entry per condition of the sweep, in the order of the merged table.

    `rows` are the NECESSITY rows of the same sweep. A problem is right under a condition when at
    least half of its samples are.
    """
    conditions = _of_sweep(merged, sweep)["condition"].unique().to_pylist()
    right: dict[str, set[str]] = {}
    usable = {row["problem_id"] for row in rows}
    for condition in conditions:
        found = outcomes(merged, sweep, condition)
        right[condition] = {key for key, one in found.items() if one.verdict == "correct"}
        usable -= {key for key, one in found.items() if one.verdict == "failed"}
    at_baseline = right.get(BASELINE, set()) & usable
    needed = {row["problem_id"] for row in rows if row["needs_cot"]} & usable
    return [
        Control(
            condition=condition,
            correct=share(len(right[condition] & usable), len(usable)),
            broken=share(len(at_baseline - right[condition]), len(at_baseline)),
            broken_of_needed=share(len(needed - right[condition]), len(needed)),
        )
        for condition in conditions
    ]


def failures(merged: pa.Table, sweep: str) -> list[Failure]:
    """The failed rollouts of a sweep with their reasons, in the order of the merged table."""
    found = _of_sweep(merged, sweep).filter(pc.field("verdict") == "failed")
    return [
        Failure(row["condition"], row["problem_id"], row["error"] or "no reason was recorded")
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
