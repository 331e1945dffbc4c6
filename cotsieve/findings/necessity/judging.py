"""Which problems need their chain of thought, and how often.

A problem needs its chain of thought, as measured here, when the model answers it correctly at
baseline and no longer under the ablation. Failed rollouts say nothing either way: they are counted
apart and enter no rate.

Of several samples the pass rate decides: a condition is correct when at least half of its samples
are, failed ones left out. So a problem that needs its chain of thought is solved by at least half
of the samples at baseline and by less than half under the ablation.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.paired import Paired
from cotsieve.findings.shares import Share, share
from cotsieve.ground.faults import bad
from cotsieve.problems.problem import TOLD
from cotsieve.rollouts.schema import BASELINE

NECESSITY = pa.schema(
    [
        *TOLD,
        ("baseline_prediction", pa.string()),
        ("baseline_verdict", pa.string()),
        ("ablated_prediction", pa.string()),
        ("ablated_verdict", pa.string()),
        ("needs_cot", pa.bool_()),
        ("samples", pa.int32()),  # asked for, under each of the two conditions
        ("baseline_pass_rate", pa.float64()),  # of the samples that did not fail
        ("baseline_pass_low", pa.float64()),  # Wilson's 95 % interval
        ("baseline_pass_high", pa.float64()),
        ("ablated_pass_rate", pa.float64()),
        ("ablated_pass_low", pa.float64()),
        ("ablated_pass_high", pa.float64()),
    ]
)
MERGED_COLUMNS = ("sweep", "condition", "problem_id", "prediction", "verdict")
"""What is read of the merged table; the others can be ten times as large."""


class Outcome(NamedTuple):
    """What the samples of a problem under one condition come to."""

    prediction: str | None
    """The answer most of the samples with this verdict gave, of equals the first."""
    verdict: str
    """correct when at least half of the samples are; else what most others are."""
    samples: int
    passed: Share
    """Correct samples, of those that did not fail."""


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
    net: Paired
    """Of all graded problems: right at baseline and under the ablation. Where as many are right
    only under it as are only without it, answers turn both ways, and nothing is found."""


def needs_cot(baseline_verdict: str, ablated_verdict: str) -> bool | None:
    """Right at baseline and not under the ablation; None when either rollout failed."""
    if "failed" in (baseline_verdict, ablated_verdict):
        return None
    return baseline_verdict == "correct" and ablated_verdict != "correct"


def necessity(merged: pa.Table, problems: pa.Table, sweep: str, condition: str) -> list[dict]:
    """One row of NECESSITY per problem, in the order of `problems`.

    Compares the baseline with `condition`, each over all its samples. Raises BadInput when the
    merged table lacks one of the two for a problem.
    """
    baseline = outcomes(merged, sweep, BASELINE)
    ablated = outcomes(merged, sweep, condition)
    columns = ["problem_id", "source", "row", "question", "solution", "answer", "steps", "stratum"]
    rows = problems.select(columns).to_pylist()
    for name, found in ((BASELINE, baseline), (condition, ablated)):
        missing = [row["problem_id"] for row in rows if row["problem_id"] not in found]
        if missing:
            raise bad(
                f"merged table, sweep {sweep}, condition {name}",
                f"{len(missing)} of {len(rows)} problems are missing, the first {missing[0]}",
                "Merge the shards of all problems first.",
            )
    return [_row(row, baseline, ablated) for row in rows]


def outcomes(merged: pa.Table, sweep: str, condition: str) -> dict[str, Outcome]:
    """Problem id → what its samples under one condition come to, in the order of the table."""
    wanted = (pc.field("sweep") == sweep) & (pc.field("condition") == condition)
    found = merged.select(MERGED_COLUMNS).filter(wanted).drop_columns(["sweep", "condition"])
    graded: dict[str, list[tuple[str | None, str]]] = {}
    for problem_id, *answer in zip(*(column.to_pylist() for column in found.columns), strict=True):
        graded.setdefault(problem_id, []).append(tuple(answer))
    return {problem_id: outcome(samples) for problem_id, samples in graded.items()}


def outcome(samples: Sequence[tuple[str | None, str]]) -> Outcome:
    """What (prediction, verdict) of the samples of one problem come to; there is at least one."""
    verdicts = Counter(verdict for _, verdict in samples)
    right, told = verdicts["correct"], len(samples) - verdicts["failed"]
    passed = share(right, told)
    if not told:
        verdict = "failed"
    elif 2 * right >= told:
        verdict = "correct"
    else:
        verdict = max(("incorrect", "no_answer"), key=lambda name: verdicts[name])
    given = Counter(prediction for prediction, found in samples if found == verdict)
    return Outcome(given.most_common(1)[0][0], verdict, len(samples), passed)


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


def groupings(rows: Iterable[Mapping]) -> list[str]:
    """The columns that rates are told by: not by source where the strata are the sources."""
    same = all(row["stratum"] == row["source"] for row in rows)
    return ["stratum"] if same else ["stratum", "source"]


def _row(problem: dict, baseline: Mapping[str, Outcome], ablated: Mapping[str, Outcome]) -> dict:
    before, after = baseline[problem["problem_id"]], ablated[problem["problem_id"]]
    return {
        **problem,
        "baseline_prediction": before.prediction,
        "baseline_verdict": before.verdict,
        "ablated_prediction": after.prediction,
        "ablated_verdict": after.verdict,
        "needs_cot": needs_cot(before.verdict, after.verdict),
        "samples": max(before.samples, after.samples),
        **_pass_rate("baseline", before.passed),
        **_pass_rate("ablated", after.passed),
    }


def _pass_rate(name: str, passed: Share) -> dict[str, float | None]:
    return {
        f"{name}_pass_rate": passed.value,
        f"{name}_pass_low": passed.low,
        f"{name}_pass_high": passed.high,
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
        net=_paired(kept),
    )


def _paired(rows: Iterable[Mapping]) -> Paired:
    """Of rows that did not fail: right at baseline, and right under the ablation."""
    pairs = Counter(
        (row["baseline_verdict"] == "correct", row["ablated_verdict"] == "correct") for row in rows
    )
    return Paired(*(pairs[one, two] for one in (True, False) for two in (True, False)))
