"""The graders of numbers on a table of texts, on published generations and on hostile texts."""

import gzip
import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from cotsieve.answers.graders import GRADERS, SYMBOLIC, Graded, grade, matches, predict
from cotsieve.answers.published import original_number, original_reference
from cotsieve.ground.faults import BadInput

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
TOLERANCE = 0.01
NUMERIC = [grader for grader in GRADERS if grader not in SYMBOLIC]


@pytest.mark.parametrize("grader", ["numbers", "original"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["output"][:40])
def test_table(case, grader):
    expected = Graded(**case[grader])
    assert grade(grader, case["output"], case["reference"], TOLERANCE) == expected, case["why"]


@pytest.mark.parametrize("grader", NUMERIC)
def test_a_stored_prediction_gets_the_verdict_of_its_text(grader):
    for case in CASES:
        graded = grade(grader, case["output"], case["reference"], TOLERANCE)
        correct = matches(grader, graded.prediction, case["reference"], TOLERANCE)
        assert correct == (graded.verdict == "correct")


def test_original_gives_the_published_verdicts_and_predictions(shared):
    path = shared / "data/cot_expansion/validation_results_llama_gpt4_532.json.gz"
    rows = json.loads(gzip.decompress(path.read_bytes()))["results"]
    runs = [(row["pair_id"], row[side]) for row in rows for side in ("clean", "corrupted")]
    differing = []
    for pair_id, run in runs:
        reference = None if run["expected"] is None else str(run["expected"])
        prediction = predict("original", run["output"])
        correct = matches("original", prediction, reference, TOLERANCE)
        if (prediction, correct) != (json.dumps(run["predicted"]), run["correct"]):
            differing.append((pair_id, run))
    assert len(runs) == 1064
    assert differing == []


@pytest.fixture
def logic(shared):
    return json.loads((shared / "golden/codi_llama_tiny/logic.json").read_text(encoding="utf-8"))


def test_published_rules_read_the_recorded_numbers(logic):
    for case in logic["prediction_extraction"]:
        assert predict("original", case["text"]) == _text(case["seed"]), case
        assert predict("codi", case["text"]) == _text(case["codi_eval"]), case
    for case in logic["gold_extraction"]:
        assert original_reference(case["text"]) == _text(case["value"]), case


def test_original_compares_as_recorded(logic):
    for case in logic["answers_match"]:
        predicted, expected = (_plain(case[side]) for side in ("predicted", "expected"))
        assert matches("original", predicted, expected, TOLERANCE) == case["match"], case


def test_codi_compares_for_equality_whatever_the_tolerance():
    assert matches("codi", "3", "3", 5.0)
    assert not matches("codi", "3.001", "3", 5.0)
    assert grade("codi", "The answer is: 1,234.", "1234", 0) == Graded("1234", "correct")


def test_tolerance_zero_asks_for_equality():
    assert matches("numbers", "3/4", "0.75", 0)
    assert not matches("numbers", "0.7500000000000000000001", "0.75", 0)
    assert not matches("original", "0.7501", "0.75", 0)


def test_fractions_meet_the_tolerance_exactly():
    assert matches("numbers", "1/3", "0.33", 0.01)
    assert not matches("numbers", "0.34", "0.33", 0.01)


def test_unknown_grader_is_refused():
    for call in (lambda: grade("latex", "1", "1", 0), lambda: matches("latex", "1", "1", 0)):
        with pytest.raises(BadInput, match="Use one of numbers, original, codi, math, r2a"):
            call()


def test_numbers_refuses_a_reference_that_is_none():
    with pytest.raises(BadInput, match="not a number"):
        grade("numbers", "The answer is: 5", r"\frac{\sqrt{3}}{3}", TOLERANCE)


def test_original_equals_the_published_patterns_on_random_texts():
    pieces = [
        "####",
        "answer",
        " is",
        "Total",
        ":",
        "=",
        "$",
        " ",
        "\n",
        "-",
        "1",
        "23",
        ".",
        ",",
        "x",
    ]
    chooser = random.Random(7)
    for _ in range(20_000):
        text = "".join(chooser.choices(pieces, k=chooser.randint(0, 9)))
        assert original_number(text) == _as_published(text), repr(text)


HOSTILE = {
    "digits": "1" * 10**6,
    "digits then a word": "1" * 10**6 + "x",
    "zeros and a point": "0." + "0" * 10**6 + "1",
    "answer and blanks": "answer" + " " * 10**6 + "x",
    "blanks": " " * 10**6 + "x",
    "answers": "answer " * 140_000,
    "answers and boxes": "answer \\boxed{" * 70_000,
    "thousands": "111," * 250_000 + "1111",
    "fractions": "1/" * 500_000,
    "single numbers": "1 " * 500_000,
    "sums": "the answer is 1" + "+1" * 500_000,
    "minus signs": "-" * 10**6,
    "hashes": "#" * 10**6,
    "fracs": "\\frac{" * 160_000,
    "powers": "1e" * 500_000,
    "answers far from a digit": "answer " * 140_000 + "x" * 100 + "5",
    "boxes far from a digit": "\\boxed{ " * 140_000 + "x" * 100 + "5",
    "hashes apart": "#### " * 200_000 + "x" * 100 + "5",
    "answers of words": "answer is " * 100_000 + ". 5",
    "newlines": "answer" + "\n" * 10**6 + "5",
}


@pytest.mark.parametrize("grader", GRADERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_million_characters_take_less_than_a_second(grader, name):
    began = time.process_time()
    grade(grader, HOSTILE[name], "5", TOLERANCE)
    assert time.process_time() - began < 1


def test_endless_digits_are_no_answer():
    assert predict("numbers", "The answer is: " + "1" * 5000) is None
    assert predict("numbers", "The answer is: 1e999999999") is None
    assert grade("original", "1" * 5000, "5", TOLERANCE) == Graded("Infinity", "incorrect")


def test_the_table_is_large_and_names_differences():
    agree = Counter(case["numbers"] == case["original"] for case in CASES)
    assert len(CASES) >= 40
    assert agree[False] >= 20


def _as_published(text: str) -> str | None:
    patterns = [
        r"####\s*(-?\d+(?:\.\d+)?)",
        r"(?:answer|total|result)(?:\s+is)?\s*[:=]?\s*\$?\s*(-?\d+(?:\.\d+)?)",
        r"\$?\s*(-?\d+(?:\.\d+)?)\s*$",
    ]
    found = next(filter(None, (re.search(p, text, re.IGNORECASE) for p in patterns)), None)
    numbers = [found[1]] if found else re.findall(r"-?\d+(?:\.\d+)?", text)
    return _text(float(numbers[-1])) if numbers else None


def _text(value: float | str | None) -> str | None:
    """A recorded number as predictions are stored; infinity stands for no number."""
    if value is None or value == "inf":
        return None
    return json.dumps(int(value) if float(value).is_integer() else value)


def _plain(value: object) -> str | None:
    return None if value is None else str(value)
