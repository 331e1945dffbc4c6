"""The graders of LaTeX answers: published verdicts, own cases, and limits."""

import csv
import json
import os
import subprocess
import sys

import pytest

from cotsieve.answers import symbolic
from cotsieve.answers.graders import Graded, NoVerdict, compare_many, grade_many, matches, predict
from cotsieve.answers.r2a import form_a, form_b

KEYS = {"r2a": ("upstream_verdict", "published_correct")}
CHANGED = {
    # An inequality and the interval of its solutions are one set.
    ("x<5", r"(-\infty,5)"): True,
    # A dollar is a hundred cents.
    (r"5.4 \text{ dollars}", r"5.4 \text{ cents}"): False,
    # Three hours have 180 minutes.
    (r"3 \text{ hours}", r"180 \text{ minutes}"): True,
}
"""Verdicts of math-verify that the grader "math" does not give, and its own."""
KEYS["math"] = ("math_verify_dollar", "math_verify_correct")


@pytest.fixture(scope="module")
def composed(shared):
    path = shared / "golden/r2a/grader/composed.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def published(shared):
    path = shared / "golden/r2a/grader/published_greedy_verdicts.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_normal_forms(composed):
    for case in composed:
        for side, end in (("prediction", "pred"), ("reference", "ref")):
            found = form_a(case[side]), form_b(case[side])
            assert found == (case[f"hendrycks_{end}"], case[f"sympy_norm_{end}"]), case


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (r" \sqrt", r"\sqrt"),
        (r"5 \text{ a} \text{ b}", r"5 \text{ a} \text{ b}"),
        (r"\frac", r"\frac"),
        (r"\frac1", r"\frac1"),
        (r"\frac1{2}+\frac34x", r"\frac{1}{2}+\frac{3}{4}x"),
        ("3/4", r"\frac{3}{4}"),
        ("03/4", "03/4"),
        ("abc = 4", "abc=4"),
        ("", ""),
    ],
)
def test_form_a_of_odd_texts(text, form):
    assert form_a(text) == form


@pytest.mark.parametrize("grader", ["math", "r2a"])
def test_published_verdicts(composed, published, grader):
    """In one go: starting the worker takes longer than most verdicts."""
    pairs = [(case["prediction"], case["reference"]) for case in composed]
    pairs += [(row["extracted_answer"], row["answer"]) for row in published]
    composed_key, published_key = KEYS[grader]
    expected = [case[composed_key] for case in composed]
    expected += [row[published_key] == "1" for row in published]
    if grader == "math":
        assert all(expected[pairs.index(pair)] != verdict for pair, verdict in CHANGED.items())
        expected = [CHANGED.get(*both) for both in zip(pairs, expected, strict=True)]
    found = compare_many(grader, pairs, 0, processes=2)
    wrong = [
        (pair, graded)
        for pair, graded, right in zip(pairs, found, expected, strict=True)
        if (graded.verdict == "correct") != right or graded.verdict == "failed"
    ]
    assert len(expected) == 44 + 482
    assert wrong == []


CASES = [
    # prediction, reference, math, r2a
    (r"\frac{10}{5}", "2", "correct", "incorrect"),
    ("2,1", "1,2", "correct", "incorrect"),
    ("2^{10}", "1024", "correct", "incorrect"),
    ("(1,2)", "(1,2]", "incorrect", "incorrect"),
    (" 12\n", "12", "correct", "correct"),
    ("2$", "2", "correct", "correct"),
    ("2", "2$", "correct", "correct"),
    ("x+1", "1+x", "correct", "correct"),
    (
        "\\begin{pmatrix}1\n\\\\2\\end{pmatrix}",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        *["correct"] * 2,
    ),
    (r"\dfrac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}", "correct", "correct"),
    ("__import__('os').system('true')", "0", "incorrect", "incorrect"),
    ("\ud800\0", "0", "incorrect", "incorrect"),
    (None, "0", "no_answer", "no_answer"),
    ("1" * 1001, "1", "no_answer", "no_answer"),
]


@pytest.mark.parametrize(("grader", "place"), [("math", 2), ("r2a", 3)])
def test_own_cases_whatever_the_processes_and_the_order(grader, place):
    pairs = [case[:2] for case in CASES]
    found = compare_many(grader, pairs, 0)
    assert [graded.verdict for graded in found] == [case[place] for case in CASES]
    turned = pairs[::-1] * 2
    assert compare_many(grader, turned, 0, processes=2) == found[::-1] * 2


def test_texts_are_read_and_compared():
    text = r"<think>\boxed{1}</think> So \boxed{\frac{\sqrt{4}}{1}}, not in \boxed{}."
    pairs = [(text, "2"), (r"no box: 2", "2"), (r"<think> \boxed{2}", "2"), (r"\boxed {2}", "2")]
    found = [(graded.prediction, graded.verdict) for graded in grade_many("math", pairs, 0)]
    nothing = (None, "no_answer")
    assert found == [(r"\frac{\sqrt{4}}{1}", "correct"), nothing, nothing, ("2", "correct")]
    assert [predict("r2a", text) for text, _ in pairs] == [None] * 4
    assert predict("r2a", r"</think> \boxed{ 2 } \boxed{x^{2^{3}}}") == " 2 "


def test_what_takes_too_long_is_not_wrong(monkeypatch):
    hours = r"9^{9^{9^{9}}}"
    (slow, quick) = symbolic.verdicts("math", [(hours, "5"), ("4", "5")], seconds=1)
    assert (slow, quick) == ("grader timeout: no verdict within 1 seconds of computing", False)
    monkeypatch.setattr("cotsieve.answers.graders.verdicts", lambda *_: [slow])
    assert compare_many("math", [(hours, "5")], 0) == [Graded(hours, "failed", slow)]
    with pytest.raises(NoVerdict, match="grader timeout"):
        matches("math", hours, "5", 0)


def test_a_worker_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", os.devnull)
    with pytest.raises((RuntimeError, OSError)):
        symbolic.verdicts("r2a", [("1", "2")])


def test_numbers_never_load_the_libraries():
    code = "import sys, cotsieve.answers.graders as g; g.grade('numbers', '#### 5', '5', 0.01)\n"
    code += "assert not {'sympy', 'math_verify', 'pylatexenc'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=symbolic.ROOT)
