"""The page says what happened, also where little did."""

import re
from dataclasses import replace

import made_up
import pyarrow as pa
import pytest

from cotsieve.findings.merge import MERGED
from cotsieve.report.facts.figure_data import figure_data
from cotsieve.report.facts.gathered import study_facts
from cotsieve.report.facts.inputs import StudyTables
from cotsieve.report.page.explorer import packed
from cotsieve.report.page.frame import page


def never_right(row: dict) -> str:
    return "incorrect" if row["verdict"] == "correct" else row["verdict"]


def one_condition(tables: StudyTables) -> StudyTables:
    """The same study with the baseline and the condition that decides alone."""
    models = []
    for model in tables.models:
        kept = {name: model.conditions[model.sweep][name] for name in ("baseline", model.condition)}
        rows = [name in kept for name in model.merged["condition"].to_pylist()]
        models.append(
            replace(model, merged=model.merged.filter(rows), conditions={model.sweep: kept})
        )
    return replace(tables, models=models)


def page_of(tables: StudyTables) -> str:
    return page(study_facts(tables), packed(tables))


@pytest.mark.parametrize("total", [None, 20])
def test_where_no_baseline_is_right_there_is_nothing_to_tell_of_an_ablation(total):
    tables = made_up.judged_anew(made_up.study(40), never_right)
    if total:
        models = [replace(model, targets=None, total=total) for model in tables.models]
        tables = replace(tables, models=models)
    text = page_of(tables)
    told = made_up.words(text)
    for model in tables.models:
        graded = sum(row["needs_cot"] is not None for row in model.necessity)
        assert f"0 of {graded} problems solved with its chain of thought intact" in told
    for false in (
        "of its 0 right answers",
        "No other condition was run",
        "Where it hurts",
        "0 of 0",
    ):
        assert false not in told
    assert ("Targets and what was drawn" in told) is (total is None)
    linked = set(re.findall(r'href="figures/([^"]+)\.csv"', text))
    facts = study_facts(tables)["models"]
    assert linked == {
        f"{one['model']}/{figure.name}" for one in facts for figure in figure_data(one)
    }


def test_where_everything_failed_there_is_no_result():
    tables = made_up.judged_anew(made_up.study(20, reasoning=False), lambda row: "failed")
    assert "None of its problems could be run and graded" in made_up.words(page_of(tables))


def test_five_hundred_failures_that_differ_in_a_number_are_one_line():
    tables = made_up.judged_anew(made_up.study(500, reasoning=False), lambda row: "failed")
    (model,) = tables.models
    reasons = [f"too long: {600 + n % 500} tokens" for n in range(len(model.merged))]
    place = MERGED.get_field_index("error")
    merged = model.merged.set_column(place, MERGED.field(place), [reasons])
    text = page_of(replace(tables, models=[replace(model, merged=merged)]))
    told = made_up.words(text.partition("<script")[0])
    assert told.count("too long") == 1 and "too long: 600 to 1,099 tokens" in told


def failed_beside(row: dict) -> str:
    """Every problem is right at baseline, wrong in the end, and fails under the other condition."""
    return {"baseline": "correct", "mean-late-all": "incorrect"}.get(row["condition"], "failed")


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (one_condition(made_up.study(20, reasoning=False)), "No other condition was run beside it"),
        (
            made_up.judged_anew(made_up.study(20, reasoning=False), failed_beside),
            "100.0\u202f% of its 20 right answers break",
        ),
        (
            made_up.judged_anew(made_up.study(20, reasoning=False), failed_beside),
            "every problem that is right at baseline failed under one of them",
        ),
    ],
)
def test_what_the_other_conditions_say_is_said_of_those_that_were_run(tables, told):
    assert told in made_up.words(page_of(tables))


def test_what_was_written_is_told_by_sweep_and_the_baseline_once():
    tables = made_up.study(20, reasoning=False)
    (model,) = tables.models
    place = MERGED.get_field_index("sweep")
    again = model.merged.set_column(place, MERGED.field(place), [["more"] * len(model.merged)])
    conditions = {"more": model.conditions["grid"], **model.conditions}
    both = replace(model, merged=pa.concat_tables([again, model.merged]), conditions=conditions)
    (facts,) = study_facts(replace(tables, models=[both]))["models"]
    told = [(row["sweep"], row["condition"]) for row in facts["lengths"]]
    ablations = [(sweep, name) for sweep in ("more", "grid") for name in made_up.GRID]
    assert told == [("more", "baseline"), *ablations]
    text = page_of(replace(tables, models=[both])).partition("How much was written")[2]
    block = text.partition("</details>")[2].partition("CSV")[0]
    assert "Sweep <code>grid</code>" in block and "<code>baseline</code>" not in block


def verdicts_by(rule) -> dict:
    """Verdicts; `rule` says by row whether it is right at baseline, and under the others."""

    def verdict(row: dict) -> str:
        right = rule(row["row"])
        return "correct" if right[row["condition"] != "baseline"] else "incorrect"

    return verdict


def test_few_right_answers_of_many_are_no_headline():
    """Seven of 1,200 right; six break, and six others are right only when ablated."""
    rule = verdicts_by(lambda row: (row < 7, row == 0 or 7 <= row < 13))
    tables = made_up.judged_anew(made_up.study(1200, reasoning=False), rule)
    text = page_of(tables)
    told = made_up.words(text)
    assert "85.7\u202f% of its 7 right answers break" in told
    assert "0.5\u202f% of all 1,200 problems graded" in told
    assert "6 break, 6 right only under it: +0.0 points" in told and "p = 1.000" in told
    assert "nothing shows that these problems need" in told
    assert 'class="big none"' in text and 'class="big"' not in text


def test_one_denominator_leads_and_the_other_stands_beside_it():
    """2-step: 10 of 10 right, 5 break. 3-step: 2 of 10 right, both break: the trend reverses."""

    def rule(row: int) -> tuple[bool, bool]:
        stratum, number = row % 4, row // 4
        if stratum == 0:
            return True, number >= 5
        return (stratum == 1 and number < 2), False

    tables = made_up.judged_anew(made_up.study(40, reasoning=False), verdicts_by(rule))
    told = made_up.words(page_of(tables))
    assert "50.0\u202f% 5 of 10 · " in told and "100.0\u202f% 2 of 2 · " in told
    assert "needs it: 50.0\u202f% of all graded" in told
    assert "needs it: 20.0\u202f% of all graded" in told
    figure = next(
        one for one in figure_data(study_facts(tables)["models"][0]) if one.name == "rates"
    )
    shown = {(row["group"], row["measure"]): row["value"] for row in figure.rows}
    assert shown["2-step", "needs_cot_of_correct"] == 0.5 and shown["3-step", "needs_cot"] == 0.2


def test_what_is_so_by_definition_has_no_interval():
    facts = study_facts(made_up.study(60, reasoning=False))["models"][0]
    by_name = {item["condition"]: item for item in facts["sweeps"][0]["conditions"]}
    decides = by_name[facts["condition"]]
    assert by_name["baseline"]["broken"]["low"] is by_name["baseline"]["broken"]["high"] is None
    assert decides["broken_of_needed"]["low"] is None and decides["broken"]["low"] is not None


def test_strata_that_are_the_sources_are_told_once():
    tables = made_up.study(40, reasoning=False)
    (model,) = tables.models
    rows = [row | {"stratum": row["source"]} for row in model.necessity]
    facts = study_facts(replace(tables, models=[replace(model, necessity=rows, targets=None)]))
    assert facts["models"][0]["sources"] == []


def test_several_sources_are_told_each_with_its_own_numbers():
    tables = made_up.study(60, reasoning=False)
    told, facts = made_up.words(page_of(tables)), study_facts(tables)["models"][0]
    rows = tables.models[0].necessity
    for source in ("toy", "other"):
        graded = [row for row in rows if row["source"] == source and row["needs_cot"] is not None]
        right = sum(row["baseline_verdict"] == "correct" for row in graded)
        broken = sum(row["needs_cot"] for row in graded)
        assert f"{broken} of {right}" in told
        (rates,) = [one for one in facts["sources"] if one["group"] == source]
        assert rates["needs_cot"]["count"] == broken and rates["needs_cot"]["total"] == len(graded)
    assert sum(one["problems"] for one in facts["sources"]) == len(rows)
