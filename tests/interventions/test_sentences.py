import json

import pytest

from cotsieve.interventions.sentences import sentences, thinking_span


def test_every_published_splitter_case(shared):
    cases = json.loads((shared / "golden" / "thought_anchors" / "splitter_cases.json").read_text())
    assert len(cases) > 20
    for case in cases:
        thought = case["text"][thinking_span(case["text"])]
        found = sentences(thought)
        assert [sentence.text for sentence in found] == case["keep_tail"], case["name"]
        places(thought, found)


def test_every_sentence_of_published_traces(shared):
    path = shared / "data" / "thought_anchors" / "raw_example"
    checked = 0
    for labelled in path.glob("*/*/*/chunks_labeled.json"):
        base = json.loads((labelled.parent / "base_solution.json").read_text())
        text = base["prompt"] + base["solution"]
        found = sentences(text[thinking_span(text)])
        assert [s.text for s in found] == [row["chunk"] for row in json.loads(labelled.read_text())]
        places(text[thinking_span(text)], found)
        checked += 1
    assert checked


def places(text: str, found: list) -> None:
    """Offsets tell the same sentences, and leave out nothing but white space."""
    end = 0
    for sentence in found:
        assert not text[end : sentence.start].strip()
        assert text[sentence.start : sentence.end].split() == sentence.text.split()
        end = sentence.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n ", []),
        ("Hi.", ["Hi."]),
        (
            "It is so. It is not so.\r\n\r\nWell then it ends",
            ["It is so. It is not so.", "Well then it ends"],
        ),
        (
            "A sentence.\n\n\n\n  Another one\n\nTail here.",
            ["A sentence.", "Another one", "Tail here."],
        ),
    ],
)
def test_ends(text, expected):
    assert [sentence.text for sentence in sentences(text)] == expected
