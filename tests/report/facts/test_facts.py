"""Numbers on the page are those of the findings."""

from dataclasses import replace

import made_up
import pytest

from cotsieve.findings.necessity.controls import controls
from cotsieve.findings.necessity.judging import rates
from cotsieve.report.facts.gathered import model_facts, study_facts
from cotsieve.report.facts.wording import percent
from cotsieve.report.page.explorer import packed
from cotsieve.report.page.frame import page

NOT_RIGHT = ("incorrect", "no_answer")


@pytest.fixture(scope="module")
def tables():
    return made_up.study(60)


@pytest.fixture(scope="module")
def facts(tables):
    return study_facts(tables)


@pytest.fixture(scope="module")
def shown(tables, facts):
    """The words on the page, without markup."""
    return made_up.words(page(facts, packed(tables)))


def test_the_headline_is_the_rate_among_right_answers(tables, facts, shown):
    for model, told in zip(tables.models, facts["models"], strict=True):
        (everything,) = rates(model.necessity)
        needed = everything.needs_cot_of_correct
        assert told["all"]["needs_cot_of_correct"]["count"] == needed.count
        assert f"{percent(needed.value)} of its {needed.total:,} right answers" in shown


def test_the_rates_claim_no_more_than_was_measured(tables, shown):
    """A broken answer does not tell that the problem needs a chain of thought."""
    assert "only through" not in shown
    for model in tables.models:
        assert f"that are right at baseline, and under “{model.condition}”" in shown
        assert "right at baseline and not under the ablation" in shown


def test_every_stratum_has_its_rate_and_interval(tables, facts, shown):
    for model, told in zip(tables.models, facts["models"], strict=True):
        found = rates(model.necessity, "stratum")
        assert [group["group"] for group in told["strata"]] == [group.group for group in found]
        for group in found:
            share = group.needs_cot_of_correct
            interval = f"{100 * share.low:.1f}–{100 * share.high:.1f}"
            line = f"{percent(share.value)} {share.count} of {share.total} · {interval}"
            assert line in shown
            assert f"needs it: {percent(group.needs_cot.value)} of all graded" in shown


def test_the_confusion_counts_every_problem_once(tables, facts):
    for model, told in zip(tables.models, facts["models"], strict=True):
        verdicts, counts = told["confusion"]["verdicts"], told["confusion"]["counts"]
        assert sum(map(sum, counts)) == len(model.necessity)
        right = verdicts.index("correct")
        broken = sum(counts[right][verdicts.index(v)] for v in verdicts if v in NOT_RIGHT)
        assert broken == sum(row["needs_cot"] is True for row in model.necessity)


def test_conditions_maps_and_curves_are_the_controls(tables, facts):
    model, told = tables.models[0], facts["models"][0]
    found = {item.condition: item for item in controls(model.merged, model.necessity, "grid")}
    sweep = told["sweeps"][0]
    assert [item["condition"] for item in sweep["conditions"]] == list(found)
    (group,) = sweep["heat"]
    cells = [cell for item in group["maps"] for line in item["cells"] for cell in line]
    assert {cell["condition"] for cell in cells} == set(found) - {"baseline"}
    assert all(cell["value"] == found[cell["condition"]].broken.value for cell in cells)
    (curve,) = sweep["curves"]
    for panel in curve["panels"]:
        for line in panel["lines"]:
            assert [point["x"] for point in line["points"]] == [0, 1, 2, 3]
            for point in line["points"]:
                assert point["value"] == found[point["condition"]].correct.value


def test_reasoning_kept_is_a_curve_that_ends_at_the_baseline(facts):
    (panel,) = facts["models"][1]["sweeps"][0]["truncations"]
    told = {
        line["name"]: [point["condition"] for point in line["points"]] for line in panel["lines"]
    }
    assert told == {
        "free answer": ["quarter", "half", "baseline"],
        "forced answer": ["half-forced", "baseline"],
    }


def test_the_reasoning_table_tells_every_ablation(facts):
    latent, words = facts["models"]
    assert latent["effects"] == []
    assert [entry["condition"] for entry in words["effects"]] == list(made_up.WORDS)
    groups = words["effects"][0]["groups"]
    assert {group["by"] for group in groups} == {"level", "subject"}
    whole = words["effects"][0]["everything"]
    assert whole["correct_to_wrong"] > 0
    for by in ("level", "subject"):
        lost = sum(group["correct_to_wrong"] for group in groups if group["by"] == by)
        assert lost == whole["correct_to_wrong"]


def test_targets_drawn_and_shortage_add_up(tables, facts):
    for model, told in zip(tables.models, facts["models"], strict=True):
        assert sum(row["drawn"] for row in told["drawn"]) == len(model.drawn)
        for row in told["drawn"]:
            assert row["missing"] == max((row["target"] or 0) - row["drawn"], 0)


def test_a_total_is_shared_out_in_proportion(tables):
    model = replace(tables.models[0], targets=None, total=10)
    told = model_facts(model, tables.problems)["drawn"]
    assert sum(row["target"] for row in told) == 10
    assert all(row["target"] <= row["needed"] for row in told)


def test_strata_stand_in_one_order_also_where_nothing_passed(tables):
    rows = [row | {"needs_cot": row["needs_cot"] and row["stratum"] != "3-step"}
            for row in tables.models[0].necessity]  # fmt: skip
    model = replace(tables.models[0], necessity=rows, drawn=[], targets=None, total=10)
    told = model_facts(model, tables.problems)
    assert [row["stratum"] for row in told["drawn"]] == [row["group"] for row in told["strata"]]


def test_failures_come_with_reasons_and_foreign_words_stay_words(facts, shown):
    for model in facts["models"]:
        assert all(item["error"] == "the prompt is too long <b>" for item in model["failures"])
    assert "the prompt is too long <b>" in shown


def test_graders_that_differ_are_counted(facts):
    assert facts["models"][0]["disagreements"] is None
    found = facts["models"][1]["disagreements"]
    assert (found["answers"], found["graders"]) == (3, ["math", "r2a"])
    assert found["patterns"] == [{"verdicts": ["correct", "incorrect"], "count": 3}]
