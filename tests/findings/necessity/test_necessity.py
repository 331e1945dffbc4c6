import pyarrow as pa
import pytest
from findings_cases import problem_row, problems_of

from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.controls import controls, failures
from cotsieve.findings.necessity.judging import NECESSITY, necessity, needs_cot, rates
from cotsieve.findings.shares import share
from cotsieve.ground.faults import BadInput

# problem: source, then the verdicts at baseline, under zero, under mean
CASES = {
    "test_0": ("test", "correct", "incorrect", "correct"),
    "test_1": ("test", "correct", "no_answer", "incorrect"),
    "test_2": ("test", "correct", "correct", "correct"),
    "train_0": ("train", "incorrect", "correct", "incorrect"),
    "train_1": ("train", "correct", "failed", "correct"),
    "train_2": ("train", "correct", "incorrect", "failed"),
}
PROBLEMS = problems_of([problem_row(name, source=case[0]) for name, case in CASES.items()])


def merged() -> pa.Table:
    rows = [
        {
            "sweep": "main",
            "condition": condition,
            "problem_id": name,
            "sample": 0,
            "prediction": None if verdict in ("failed", "no_answer") else f"{name} {condition}",
            "verdict": verdict,
            "error": "too long" if verdict == "failed" else None,
        }
        for name, (_, *verdicts) in CASES.items()
        for condition, verdict in zip(("baseline", "zero", "mean"), verdicts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=MERGED)


def rows() -> list[dict]:
    return necessity(merged(), PROBLEMS, "main", "zero")


def test_needed_means_right_at_baseline_and_not_right_when_ablated():
    found = {row["problem_id"]: row["needs_cot"] for row in rows()}
    assert list(found) == list(CASES)
    assert list(found.values()) == [True, True, False, False, None, True]
    pa.Table.from_pylist(rows(), schema=NECESSITY).validate(full=True)
    assert rows()[0]["ablated_prediction"] == "test_0 zero"


def test_failed_problems_are_counted_apart():
    test, train = rates(rows(), "source")
    (everything,) = rates(rows())
    assert (test.problems, test.failed, test.needs_cot[:2]) == (3, 0, (2, 3))
    assert (train.problems, train.failed, train.needs_cot[:2]) == (3, 1, (1, 2))
    assert train.ablated_correct[:2] == (1, 2)
    assert everything.needs_cot_of_correct[:2] == (3, 4)
    assert rates([], "source") == [] and rates([])[0].needs_cot.value is None


def test_conditions_are_compared_on_the_problems_that_none_failed():
    baseline, zero, mean = controls(merged(), rows(), "main")
    assert baseline.correct[:2] == (3, 4) and baseline.broken[:2] == (0, 3)
    assert zero.correct[:2] == (2, 4) and zero.broken[:2] == (2, 3)
    assert mean.broken[:2] == (1, 3) and mean.broken_of_needed[:2] == (1, 2)


def test_failures_keep_their_reasons():
    assert [failure[:] for failure in failures(merged(), "main")] == [
        ("main", "zero", "train_1", "too long"),
        ("main", "mean", "train_2", "too long"),
    ]


@pytest.mark.parametrize(("sweep", "condition"), [("other", "zero"), ("main", "swap")])
def test_an_absent_condition_is_named(sweep, condition):
    with pytest.raises(BadInput, match=f"sweep {sweep}.*6 of 6 problems are missing"):
        necessity(merged(), PROBLEMS, sweep, condition)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # by the closed formula, z = 1.959964
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (3080, 7500, 0.399581, 0.421843)],
)
def test_intervals_are_wilsons(count, total, low, high):
    assert share(count, total)[2:] == pytest.approx((low, high), abs=2e-6)


def test_shares_read_well():
    assert str(share(3080, 7500)) == "41.1 % (40.0 to 42.2)"
    assert str(share(0, 0)) == "–"


def test_the_published_pairs_need_their_chain_of_thought_as_published(published):
    pairs = published("llama_cot_necessity_532.json")
    verdict = {True: "correct", False: "incorrect"}
    found = [
        needs_cot(verdict[pair["clean_baseline_correct"]], verdict[pair["clean_ablated_correct"]])
        for pair in pairs
    ]
    assert found == [pair["clean_needs_cot"] for pair in pairs]
    assert (len(found), sum(found)) == (532, 139)
    distinct = {pair["pair_id"]: needed for pair, needed in zip(pairs, found, strict=True)}
    assert (len(distinct), sum(distinct.values())) == (500, 132)
    tested = published("validation_results_llama_gpt4_532.json")["results"]
    validated = [needs_cot(verdict[row["clean"]["correct"]], "incorrect") for row in tested]
    assert [pair["clean_baseline_correct"] for pair in pairs] == validated
