import json

import pytest

from cotsieve.answers.graders import grade
from cotsieve.answers.thought_anchors import normalized, read_answer
from cotsieve.findings.anchors.outcomes import checks


@pytest.fixture(scope="module")
def cases(shared):
    return json.loads((shared / "golden/thought_anchors/answer_cases.json").read_text())


def test_every_golden_box(cases):
    assert [read_answer(case["text"]) for case in cases["boxed"]] == [
        case["first"] for case in cases["boxed"]
    ]


def test_every_golden_normal_form(cases):
    for case in cases["pairs"]:
        forms = ("normalized", "normalized_twice", "normalized_thrice")
        for times, name in enumerate(forms, 1):
            assert normalized(case["answer"], times) == case[name]
        assert normalized(case["gt"]) == case["gt_normalized"]


def test_every_golden_verdict(cases):
    pairs = [(case["answer"], case["gt"]) for case in cases["pairs"]]
    assert checks(pairs) == [case["correct"] for case in cases["pairs"]]


def test_as_a_grader():
    assert grade("thought-anchors", r"\boxed{7} then \boxed{8}", "7", 0).verdict == "correct"
    assert grade("thought-anchors", r"\boxed{(1,2)}", "12", 0).verdict == "correct"
    assert grade("thought-anchors", r"\boxed{x=5}", "5", 0).verdict == "failed"
    assert grade("thought-anchors", "7", "7", 0).verdict == "no_answer"
