"""Which problems need their chain of thought, and how often.

A problem needs its chain of thought, as measured here, when the model answers it correctly at
baseline and no longer under the ablation. Failed rollouts say nothing either way: they are counted
apart and enter no rate.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.shares import Share, share
from cotsieve.ground.faults import bad
from cotsieve.rollouts.schema import BASELINE

NECESSITY = pa.schema(
    [
        ("problem_id", pa.string()),
        ("source", pa.string()),
        ("row", pa.int32()),
        ("question", pa.string()),
        ("solution", pa.string()),
        ("answer", pa.string()),
        ("steps", pa.int32()),
        ("stratum", pa.string()),
        ("baseline_prediction", pa.string()),
        ("baseline_verdict", pa.string()),
        ("ablated_prediction", pa.string()),
        ("ablated_verdict", pa.string()),
        ("needs_cot", pa.bool_()),
    ]
)


class Rates(NamedTuple):
    """Counts of a group of problems; every share leaves the failed ones out."""

    group: str
    problems: int
    failed: int
    baseline_correct: Share
    ablated_correct: Share
    needs_cot: Share
    """Of all graded problems."""
    needs_cot_of_correct: Share
    """Of the problems that are right at baseline."""


def needs_cot(baseline_verdict: str, ablated_verdict: str) -> bool | None:
    """Right at baseline and not under the ablation; None when either rollout failed."""
    if "failed" in (baseline_verdict, ablated_verdict):
        return None
    return baseline_verdict == "correct" and ablated_verdict != "correct"


def necessity(
    merged: pa.Table, problems: pa.Table, sweep: str, condition: str, sample: int = 0
) -> list[dict]:
    """One row of NECESSITY per problem, in the order of `problems`.

    Compares one sample (the first, unless told otherwise) of the baseline with the same sample
    under `condition`. Raises BadInput when the merged table lacks one of the two for a problem.
    """
    baseline = graded(merged, sweep, BASELINE, sample)
    ablated = graded(merged, sweep, condition, sample)
    columns = ["problem_id", "source", "row", "question", "solution", "answer", "steps", "stratum"]
    rows = problems.select(columns).to_pylist()
    for name, found in ((BASELINE, baseline), (condition, ablated)):
        missing = [row["problem_id"] for row in rows if row["problem_id"] not in found]
        if missing:
            raise bad(
                f"merged table, sweep {sweep}, condition {name}, sample {sample}",
                f"{len(missing)} of {len(rows)} problems are missing, the first {missing[0]}",
                "Merge the shards of all problems first.",
            )
    return [_row(row, baseline, ablated) for row in rows]


def graded(
    merged: pa.Table, sweep: str, condition: str, sample: int = 0
) -> dict[str, tuple[str | None, str]]:
    """Problem id → (prediction, verdict) of one condition, in the order of the merged table."""
    wanted = (
        (pc.field("sweep") == sweep)
        & (pc.field("condition") == condition)
        & (pc.field("sample") == sample)
    )
    found = merged.select(
        ["sweep", "condition", "sample", "problem_id", "prediction", "verdict"]
    ).filter(wanted)
    answers = zip(found["prediction"].to_pylist(), found["verdict"].to_pylist(), strict=True)
    return dict(zip(found["problem_id"].to_pylist(), answers, strict=True))


def rates(rows: Iterable[Mapping], by: str | None = None) -> list[Rates]:
    """Rates of NECESSITY rows per value of a column ("stratum", "source"), in sorted order.

    Without `by`, one group called "all". Intervals are Wilson's, at 95 %. Problems that a model
    was trained on are right at baseline more often, and so more often found to need their chain
    of thought: the published CODI models were trained on an augmentation of the GSM8K train
    split, so compare their rates by source, and do not pool train rows with test rows.
    """
    groups: dict[str, list[Mapping]] = {} if by else {"all": []}
    for row in rows:
        groups.setdefault(row[by] if by else "all", []).append(row)
    return [_rates(group, groups[group]) for group in sorted(groups)]


def _row(
    problem: dict,
    baseline: Mapping[str, tuple[str | None, str]],
    ablated: Mapping[str, tuple[str | None, str]],
) -> dict:
    baseline_prediction, baseline_verdict = baseline[problem["problem_id"]]
    ablated_prediction, ablated_verdict = ablated[problem["problem_id"]]
    return {
        **problem,
        "baseline_prediction": baseline_prediction,
        "baseline_verdict": baseline_verdict,
        "ablated_prediction": ablated_prediction,
        "ablated_verdict": ablated_verdict,
        "needs_cot": needs_cot(baseline_verdict, ablated_verdict),
    }


def _rates(group: str, rows: list[Mapping]) -> Rates:
    kept = [row for row in rows if row["needs_cot"] is not None]
    baseline = sum(row["baseline_verdict"] == "correct" for row in kept)
    ablated = sum(row["ablated_verdict"] == "correct" for row in kept)
    needed = sum(row["needs_cot"] for row in kept)
    return Rates(
        group=group,
        problems=len(rows),
        failed=len(rows) - len(kept),
        baseline_correct=share(baseline, len(kept)),
        ablated_correct=share(ablated, len(kept)),
        needs_cot=share(needed, len(kept)),
        needs_cot_of_correct=share(needed, baseline),
    )
