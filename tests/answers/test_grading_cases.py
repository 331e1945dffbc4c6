"""The grader "math" and "numbers" on tables of cases: reported faults, and inputs of our own."""

import json
from pathlib import Path

import pytest

from cotsieve.answers import symbolic
from cotsieve.answers.graders import NOT_READ, compare_many, grade_many

TOLERANCE = 0.01
HERE = Path(__file__).parent
OWN = json.loads((HERE / "math_pairs.json").read_text(encoding="utf-8"))
NUMBERS = json.loads((HERE / "number_texts.json").read_text(encoding="utf-8"))


def _unlike(rows: list[dict], grader: str) -> list[tuple]:
    """The cases whose verdict is none of the expected ones, all graded in one call."""
    pairs = [(row["input"]["text"], row["input"]["reference"]) for row in rows]
    found = grade_many(grader, pairs, TOLERANCE, processes=2)
    return [
        (row["id"], *pair, graded)
        for row, pair, graded in zip(rows, pairs, found, strict=True)
        if graded.verdict not in ([*row["expected"]] if _several(row) else [row["expected"]])
    ]


def _several(row: dict) -> bool:
    return isinstance(row["expected"], list)


@pytest.mark.parametrize("grader", ["math", "numbers"])
def test_cases_from_bug_reports(shared, grader):
    path = shared / "cases/grading.jsonl"
    if not path.exists():
        pytest.skip(f"the cases of bug reports are not there: {path}")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    of_grader = [row for row in rows if row["input"]["grader"] == grader]
    assert len(of_grader) > 80
    assert _unlike(of_grader, grader) == []


def test_own_pairs_of_every_kind():
    rows = [(kind, *pair) for kind, pairs in OWN.items() for pair in pairs]
    found = compare_many("math", [row[1:3] for row in rows], TOLERANCE, processes=2)
    wrong = [
        (row, graded)
        for row, graded in zip(rows, found, strict=True)
        if graded.verdict != ("correct" if row[3] else "incorrect")
    ]
    assert len(rows) > 400
    assert wrong == []


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_numbers_of_own_texts(text, number):
    (graded,) = grade_many("numbers", [(text, number)], 0)
    assert (graded.prediction, graded.verdict) == (number, "correct")


def test_what_is_not_read_is_told():
    pairs = [(r"1+2+\ldots+n", "5"), (r"\unknown{3}", "3"), (r"\unknown{3}", r"\unknown {3}")]
    found = compare_many("math", [*pairs, ("4", "5")], TOLERANCE)
    told = [(graded.verdict, graded.reason) for graded in found]
    unread = ("incorrect", NOT_READ)
    assert told == [unread, unread, ("correct", None), ("incorrect", None)]


HOSTILE = [
    "{" * 1000,
    "(" * 1000,
    r"\text{" * 160,
    r"\frac" * 200,
    r"\text{a}" * 120,
    "1," * 500,
    "'" * 1000,
    "1 " * 500,
    r"\sqrt" * 200,
    "^" * 1000,
    r"\left(" * 150,
    "½" * 1000,
    "A" * 1000,
    "0." + "3" * 990 + "...",
    r"\overline{1}" * 80,
    r"\begin{pmatrix}" * 60,
    r"\pm 1" * 190,
    "=" * 1000,
    "1:" * 500,
    r"5 \text{ cm}" * 80,
    "$" * 1000,
    r"^\circ C" * 120,
    "-" * 1000,
    "the answer is " * 70,
    r"\in\mathbb" * 99,
]


def test_hostile_answers_cost_little():
    """Processor seconds, since other work may keep the machine busy."""
    pairs = [(text, reference) for text in HOSTILE for reference in ("5", r"(1,\frac{x}{2})")]
    found = symbolic.verdicts("math", pairs, processes=2, seconds=4)
    assert {*found} <= {False, NOT_READ}
