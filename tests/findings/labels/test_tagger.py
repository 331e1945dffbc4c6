"""The built-in labeller does what is told of it."""

import pytest

from cotsieve.findings.labels.fitting import fitted, labelled_traces
from cotsieve.findings.labels.tagger import TAGS, built_in, label_rows

TRACE = [
    "Okay, so I have this problem about eggs.",
    "Let me think about how to do this.",
    "She has 27 eggs and loses 5, so 27 - 5 = 22.",
    "Wait, maybe I got that wrong?",
    "Let me check: 22 + 5 = 27, which is right.",
    "So the answer is \\boxed{22}.",
]


def test_clear_sentences_have_the_tags_a_reader_gives():
    rows = [
        {"problem_id": "p", "sample": 0, "sentence": place, "text": text}
        for place, text in enumerate(TRACE)
    ]
    found = label_rows(rows)
    tags = [row["tags"][0] for row in found]
    assert tags[0] == "problem_setup" and tags[1] == "plan_generation"
    assert tags[2] == "active_computation" and tags[3] == "uncertainty_management"
    assert tags[5] == "final_answer_emission"
    assert found[0]["depends_on"] == [] and found[3]["depends_on"] == [2]
    assert all("agreement" in row["labeller"] for row in found)
    assert label_rows([]) == []


def test_what_is_told_of_it_is_of_problems_it_was_not_fitted_on(shared):
    """One problem is left out here; each was when the numbers were made."""
    about = built_in()[1]
    traces = labelled_traces(shared / "data" / "thought_anchors" / "math_labelled")
    assert about["sentences"] == sum(len(trace.tags) for trace in traces)
    assert about["licence"].startswith("MIT")
    confusion = about["confusion"]
    right = sum(confusion[place][place] for place in range(len(TAGS)))
    assert about["accuracy"] == pytest.approx(right / about["sentences"], abs=1e-4)
    problem = min(trace.problem for trace in traces)
    tagger = fitted([trace for trace in traces if trace.problem != problem])
    pairs = [
        (tag, found)
        for trace in traces
        if trace.problem == problem
        for tag, found in zip(trace.tags, tagger.numbers(trace.features), strict=True)
    ]
    assert sum(a == b for a, b in pairs) / len(pairs) > about["accuracy"] - 0.12
