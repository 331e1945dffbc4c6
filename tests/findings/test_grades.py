import pytest
from findings_cases import rollout_row, rollouts_of

from cotsieve.findings.grades import grade_rollouts
from cotsieve.ground.faults import BadInput


def graded(row: dict, **answers: str) -> tuple[str | None, str]:
    (grade,) = grade_rollouts(rollouts_of([row]), answers, "original", 0.01)
    return grade["prediction"], grade["verdict"]


def imported(prediction: str | None) -> dict:
    row = rollout_row("p", "baseline", "")
    return {**row, "text": None, "finish_reason": "imported", "imported_prediction": prediction}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (rollout_row("p", "zero", "The answer is: 3"), ("3", "correct")),
        (rollout_row("p", "zero", "The answer is: 4"), ("4", "incorrect")),
        (rollout_row("p", "zero", "I do not know"), (None, "no_answer")),
        (rollout_row("p", "zero", None), (None, "failed")),
        (imported("3"), ("3", "correct")),
        (imported("79.5"), ("79.5", "incorrect")),
        (imported(None), (None, "no_answer")),
    ],
)
def test_a_rollout_is_read_as_its_finish_tells(row, expected):
    assert graded(row, p="3") == expected


def test_a_failed_rollout_needs_no_reference_and_the_others_do():
    assert graded(rollout_row("p", "zero", None)) == (None, "failed")
    with pytest.raises(BadInput, match="problem p: there is no reference answer"):
        graded(rollout_row("p", "zero", "The answer is: 3"))


def test_grades_keep_the_order_of_the_rollouts():
    rows = [
        rollout_row("p", "baseline", "</think>\\boxed{x+1}"),
        rollout_row("p", "zero", None),
        {**imported("1+x"), "condition": "mean"},
        rollout_row("p", "noise", "</think>\\boxed{x}"),
        {**imported(None), "condition": "patch"},
    ]
    grades = grade_rollouts(rollouts_of(rows), {"p": "x + 1"}, "r2a", 0.01)
    assert [(grade["condition"], grade["prediction"], grade["verdict"]) for grade in grades] == [
        ("baseline", "x+1", "correct"),
        ("zero", None, "failed"),
        ("mean", "1+x", "correct"),
        ("noise", "x", "incorrect"),
        ("patch", None, "no_answer"),
    ]
    assert {grade["reason"] for grade in grades} == {None}
