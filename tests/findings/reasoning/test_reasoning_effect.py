import csv
import json

import pyarrow.parquet as pq
import pytest

from cotsieve.findings.paired import shown_p
from cotsieve.findings.reasoning.effect import (
    Run,
    compare,
    effect,
    effect_by,
    funnel,
)
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.prompts import split_response

MODELS = {"R1-Llama-8B": "llama-8B", "R1-Qwen-7B": "qwen-7B", "R1-Qwen-1.5B": "qwen-1p5B"}


@pytest.fixture(scope="module")
def traces(shared) -> dict[str, list[Run]]:
    """The published greedy responses by model and setting."""
    table = pq.read_table(shared / "data" / "r2a" / "traces_math500_greedy.parquet")
    runs: dict[str, list[Run]] = {}
    for row in table.to_pylist():
        parts = split_response(row["response"])
        wrong = "incorrect" if row["is_answer_extracted"] else "no_answer"
        run = Run(
            problem_id=row["unique_id"],
            verdict="correct" if row["is_answer_correct"] else wrong,
            finished=parts.finished,
            format_ok=parts.format_ok,
            level=str(row["level"]),
            subject=row["subject"],
            think_length=len(parts.think),
            answer_length=len(parts.answer),
        )
        runs.setdefault(row["model"], []).append(run)
    return runs


@pytest.mark.parametrize("model", MODELS)
def test_the_published_greedy_test_is_recomputed(model, traces, shared):
    golden = json.loads((shared / "golden" / "r2a" / "stats" / "paired_ttest.json").read_text())
    (expected,) = (
        row for row in golden if (row["model_type"], row["grader"]) == (model, "upstream")
    )
    name = MODELS[model]
    found = effect(traces[f"{name}-withR"], reversed(traces[f"{name}-withoutR"]))
    common = found.common
    assert found.everything == common and found.failed == 0
    assert found.funnel_with == found.funnel_without == (expected["n"],) * 4
    assert common.with_reasoning.total == expected["n"]
    assert common.with_reasoning.value == expected["acc_withR"]
    assert common.without.value == expected["acc_withoutR"]
    counts = [expected[key] for key in ("both", "withR_only", "withoutR_only", "neither")]
    assert [common.both, common.with_only, common.without_only, common.neither] == counts
    assert common.t == pytest.approx(expected["t_stat"], rel=1e-12)
    assert common.t_p == pytest.approx(expected["p_value"], rel=1e-9)
    assert found.lengths_with.think.mean > 20 * found.lengths_without.think.mean
    assert found.lengths_without.think.median == len("\nOkay, I think I have finished thinking.\n")


def test_the_published_table_follows_from_its_counts(shared):
    path = shared / "golden" / "r2a" / "published" / "math500_accuracy.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for row in rows:
        with_only, without_only = (
            int(row[f"{name}_only_correct"]) for name in ("withR", "withoutR")
        )
        both = int(row["correct_withR"]) - with_only
        neither = int(row["n_common"]) - both - with_only - without_only
        found = compare(both, with_only, without_only, neither)
        assert f"{found.t:.6f}" == row["t_stat"]
        assert float(f"{found.t_p:.6e}") == float(row["p_value"])
        assert round(found.with_reasoning.value, 6) == float(row["accuracy_withR"])
        assert round(found.without.value, 6) == float(row["accuracy_withoutR"])
        assert found.without.count == int(row["correct_withoutR"])
        assert shown_p(found.t_p) == "< 0.001"


def test_groups_add_up(traces):
    with_, without = traces["qwen-7B-withR"], traces["qwen-7B-withoutR"]
    for column in ("level", "subject"):
        groups = effect_by(column, with_, without)
        assert sum(group.common.with_only for group in groups.values()) == 36
        assert list(groups) == sorted(groups)
    assert list(effect_by("level", with_, without)) == ["1", "2", "3", "4", "5"]
    with pytest.raises(BadInput, match="level or subject"):
        effect_by("verdict", with_, without)


def test_mcnemar_and_undefined_tests():
    # Binomial tails by hand: 2 (1 + 5) / 2**5 for 4 against 1.
    assert compare(3, 4, 1, 2).mcnemar_p == pytest.approx(12 / 32)
    same = compare(3, 0, 0, 2)
    assert (same.t, same.t_p, same.mcnemar_p) == (None, None, 1.0)
    assert compare(0, 5, 0, 0)[6:8] == (None, None)
    nothing = compare(0, 0, 0, 0)
    assert nothing.with_reasoning.value is None and nothing.t is None
    assert [shown_p(p) for p in (None, 0.0009, 0.001, 0.6251)] == ["–", "< 0.001", "0.001", "0.625"]


def test_what_is_invalid_counts_among_all_and_what_failed_in_neither():
    with_ = [
        Run("a", "correct"),
        Run("b", "no_answer", finished=False, think_length=9),
        Run("c", "correct", format_ok=False),
        Run("d", "failed"),
    ]
    without = [Run("d", "correct"), Run("b", "correct"), Run("c", "incorrect"), Run("a", "correct")]
    found = effect(with_, without)
    assert found.common[2:6] == (1, 0, 0, 0)
    assert found.everything[2:6] == (1, 1, 1, 0)
    assert found.failed == 1
    assert found.funnel_with == funnel(with_) == (4, 2, 1, 1)
    assert found.funnel_without == (4, 4, 4, 4)
    assert found.lengths_with.think == (1, 9, 9) and found.lengths_with.answer.mean is None


def test_pairs_that_do_not_fit_are_all_told():
    with pytest.raises(BadInput) as caught:
        effect([Run("a", "correct"), Run("a", "correct")], [Run("b", "correct")])
    assert [finding.what for finding in caught.value.findings] == [
        "1 problems come more than once, the first a",
        "1 problems of the other setting are missing, as b",
        "1 problems of the other setting are missing, as a",
    ]
