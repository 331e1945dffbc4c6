"""Boxes of texts, and the answer of a response that thinks aloud."""

import json
import time

import pytest

from cotsieve.answers.boxed import boxes, final_boxes, first_box, last_box, last_shallow_box
from cotsieve.answers.thinking import read_response, visible


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{5}", ["5"]),
        (r"\boxed {17} and \fbox{a}", ["17", "a"]),
        ("\\boxed\n{ 4 }", [" 4 "]),
        (r"\boxed{\frac{\sqrt{3}}{3}}", [r"\frac{\sqrt{3}}{3}"]),
        (r"\boxed{\left\{ x \right.}", [r"\left\{ x \right."]),
        (r"\boxed{\boxed{5} m}", [r"\boxed{5} m", "5"]),
        (r"} \boxed{1} { \boxed{2", ["1"]),
        (r"\boxed{a \boxed{3}", ["3"]),
        (r"\boxed{}", [""]),
        (r"\boxed5 boxed{6} \\boxed{7}", ["5"]),
        (r"\boxed 4, \boxed\frac12, \boxed\frac{1}{2}.", ["4", r"\frac12", r"\frac{1}{2}"]),
        (r"\boxed\sqrt3 \fbox x \boxed12 \boxedx", [r"\sqrt3", "x", "12"]),
    ],
)
def test_boxes(text, expected):
    assert boxes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"$\boxed{3}$ and $\boxed{5}$", "3, 5"),
        (r"$x=\boxed{3}$ or $x = \boxed{5}$", "3, 5"),
        (r"\boxed{1}, \boxed{2}, and \boxed{3}.", "1, 2, 3"),
        (r"\boxed{7}. Hence the answer is \boxed{7}.", "7"),
        (r"First \boxed{4}. A check gives \boxed{9}.", "9"),
        (r"\boxed{5}. No, it is \boxed{7", None),
        (r"\boxed{5}. No, it is \boxed{}", None),
        (r"\boxed{5}, written within \boxed{} as told", "5"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
    ],
)
def test_boxes_of_one_answer(text, expected):
    assert final_boxes(text) == expected


def test_rules_differ_where_published_ones_do():
    text = r"\boxed{7}, then \boxed{x^{2^{3}}}, \boxed{ } and \boxed {8"
    assert last_box(text) == " "
    assert final_boxes(text) is None
    assert last_shallow_box(text) == " "
    assert first_box(text) == "7"
    assert last_shallow_box(r"\boxed{x^{2^{3}}}") is None
    assert (first_box(r"\boxed{} \boxed{9"), first_box(r"\boxed {9}")) == ("9", None)
    assert final_boxes(r"\boxed{x^{2^{3}}} as asked in $\boxed{ }$") == "x^{2^{3}}"
    assert last_box("none") is final_boxes(r"\boxed{}") is None


@pytest.mark.parametrize(
    "piece", ["\\boxed{", "{", "}", "\\", "\\boxed{}", "\\boxed{{}", "\\boxed "]
)
def test_a_million_characters_take_less_than_a_second(piece):
    text = piece * (10**6 // len(piece))
    began = time.process_time()
    last_box(text), final_boxes(text), last_shallow_box(text)
    assert time.process_time() - began < 2


def test_what_is_visible():
    assert visible("<think>a</think>b</think>c") == "c"
    assert visible("a</think>") == visible("<think>a \\boxed{1}") == ""
    assert visible("no thinking") == "no thinking"


def test_published_extraction(shared):
    for case in lines(shared / "golden/r2a/extract/boxed.jsonl"):
        assert last_shallow_box(case["text"]) == case["math500_extracted"], case


def test_published_flags(shared):
    for case in lines(shared / "golden/r2a/extract/response_flags.jsonl"):
        found = read_response(case["response"])
        assert (found.finished, found.parts, found.answer, found.extracted) == (
            case["is_response_finished"],
            case["end_think_count"],
            case["answer_pred"],
            case["extracted_answer"],
        ), case
        assert (bool(found.extracted), found.valid) == (case["is_answer_extracted"], case["valid"])


def test_published_greedy_traces(shared):
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = ["response", "answer_pred", "extracted_answer"]
    path = shared / "data/r2a/traces_math500_greedy.parquet"
    rows = parquet.read_table(path, columns=columns).to_pylist()
    found = [read_response(row["response"]) for row in rows]
    assert len(rows) == 482
    assert [item.extracted for item in found] == [row["extracted_answer"] for row in rows]
    assert [item.answer for item in found] == [row["answer_pred"] for row in rows]
    assert all(item.valid for item in found)
