"""From the merged table to what reasoning does: runs, effects per group, files."""

import csv
import io
import json

import pytest
from written_cases import merged_of, merged_row, problems_of

from cotsieve.findings.reasoning.effect import effect
from cotsieve.findings.reasoning.runs import effects, effects_csv, plain_effect, runs

NAMES = ["p_0", "p_1", "p_2", "p_3"]
WITH = ["correct", "correct", "no_answer", "incorrect"]
WITHOUT = ["incorrect", "correct", "incorrect", "failed"]


def table():
    return merged_of(
        [
            row
            for name, one, two in zip(NAMES, WITH, WITHOUT, strict=True)
            for row in (
                merged_row(name, one, answer=None if one == "no_answer" else "\n\nSo 3."),
                merged_row(name, one, sample=1),
                merged_row(name, two, condition="empty", thought=None, tokens=(0, 7)),
            )
        ]
    )


def found(**more):
    return runs(table(), problems_of(NAMES), "main", "</think>", **more)


def test_runs_are_first_samples_with_their_form_and_lengths():
    both = found()
    assert list(both) == ["baseline", "empty"] and len(both["baseline"]) == 4
    assert [run.format_ok for run in both["baseline"]] == [True, True, False, True]
    first = both["baseline"][0]
    assert (first.level, first.subject) == ("level 1", "Algebra")
    assert (first.think_length, first.answer_length, first.valid) == (4, 5, True)
    assert both["empty"][0].think_length == 0 and both["empty"][0].valid


@pytest.mark.parametrize(
    ("close", "given", "formed"), [("</think>", True, False), ("[/]", False, True)]
)
def test_the_tag_may_be_no_text_and_must_not_come_again(close, given, formed):
    run = runs(table(), problems_of(NAMES), "main", close, given)["baseline"][0]
    assert run.format_ok == formed


def test_effects_are_those_of_the_pairs_whole_and_by_group():
    entries = effects(found())
    assert [(entry["by"], entry["group"]) for entry in entries] == [
        ("all", "all"), ("level", "level 1"), ("level", "level 2"), ("subject", "Algebra"),
    ]  # fmt: skip
    whole = entries[0]["effect"]
    assert whole == effect(found()["baseline"], found()["empty"])
    assert (whole.everything.both, whole.everything.with_only, whole.failed) == (1, 1, 1)
    assert whole.common.with_reasoning.total == 2


def test_effects_are_told_as_json_and_csv():
    entries = [{"sweep": "main", **entry} for entry in effects(found())]
    told = json.loads(json.dumps(plain_effect(entries[0]["effect"])))
    assert told["everything"]["with_reasoning"]["value"] == pytest.approx(2 / 3)
    lines = list(csv.DictReader(io.StringIO(effects_csv(entries))))
    assert len(lines) == 8
    assert (lines[0]["problems_of"], lines[0]["problems"], lines[0]["with_right"]) == (
        "everything", "3", "2",
    )  # fmt: skip
    assert lines[0]["correct_to_wrong"] == "1" and lines[0]["with_think_mean"] == "4.0"
