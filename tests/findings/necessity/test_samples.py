"""Several samples of a problem: pass rates, their intervals, and who needs the reasoning."""

import pyarrow as pa
import pytest
from written_cases import merged_of, merged_row, problems_of

from cotsieve.findings.necessity.controls import controls
from cotsieve.findings.necessity.judging import NECESSITY, necessity, outcome
from cotsieve.findings.shares import share

RIGHT, WRONG, NONE, FAILED = (
    ("3", "correct"), ("4", "incorrect"), (None, "no_answer"), (None, "failed"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "verdict", "prediction", "passed"),
    [
        ([RIGHT], "correct", "3", (1, 1)),
        ([WRONG], "incorrect", "4", (0, 1)),
        ([NONE], "no_answer", None, (0, 1)),
        ([FAILED], "failed", None, (0, 0)),
        ([("7", "failed")], "failed", "7", (0, 0)),
        ([RIGHT, WRONG], "correct", "3", (1, 2)),
        ([WRONG, NONE, RIGHT], "incorrect", "4", (1, 3)),
        ([NONE, WRONG, NONE, RIGHT], "no_answer", None, (1, 4)),
        ([("5", "incorrect"), WRONG, WRONG], "incorrect", "4", (0, 3)),
        ([FAILED, RIGHT, WRONG], "correct", "3", (1, 2)),
        ([FAILED, FAILED], "failed", None, (0, 0)),
    ],
)
def test_samples_come_to_one_verdict(samples, verdict, prediction, passed):
    found = outcome(samples)
    assert (found.verdict, found.prediction, found.passed[:2]) == (verdict, prediction, passed)
    assert found.samples == len(samples)


def table(counts: dict[str, tuple[int, int]]) -> pa.Table:
    """Problem → right answers of four samples at baseline, and under the ablation."""
    return merged_of(
        [
            merged_row(name, "correct" if sample < right else "incorrect", sample, condition)
            for name, pair in counts.items()
            for condition, right in zip(("baseline", "empty"), pair, strict=True)
            for sample in range(4)
        ]
    )


COUNTS = {"p_0": (4, 0), "p_1": (2, 1), "p_2": (1, 0), "p_3": (4, 2), "p_4": (2, 2)}


def test_needed_means_solved_by_half_with_and_less_than_half_without():
    rows = necessity(table(COUNTS), problems_of(list(COUNTS)), "main", "empty")
    assert [row["needs_cot"] for row in rows] == [True, True, False, False, False]
    assert [row["samples"] for row in rows] == [4] * 5
    for row, (before, after) in zip(rows, COUNTS.values(), strict=True):
        assert row["baseline_pass_rate"] == before / 4 and row["ablated_pass_rate"] == after / 4
        low, high = share(before, 4)[2:]
        assert (row["baseline_pass_low"], row["baseline_pass_high"]) == (low, high)
    pa.Table.from_pylist(rows, schema=NECESSITY).validate(full=True)


def test_controls_count_problems_not_samples():
    rows = necessity(table(COUNTS), problems_of(list(COUNTS)), "main", "empty")
    baseline, empty = controls(table(COUNTS), rows, "main")
    assert baseline.correct[:2] == (4, 5) and empty.correct[:2] == (2, 5)
    assert empty.broken_of_needed[:2] == (2, 2)
