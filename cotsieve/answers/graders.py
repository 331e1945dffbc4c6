"""From a generated text to a verdict, by one of three named rules.

"numbers" is the corrected default; "original" is the rule of the GSM8K expansion study and "codi"
that of the CODI evaluation script, both kept as published.
"""

import math
from fractions import Fraction
from typing import NamedTuple

from cotsieve.answers.exact import value_of
from cotsieve.answers.numbers import answer_number
from cotsieve.answers.published import as_float, codi_number, original_number
from cotsieve.ground.faults import BadInput, bad

GRADERS = ("numbers", "original", "codi")


class Graded(NamedTuple):
    """What one generated text is worth."""

    prediction: str | None
    """The number read from the text: whole numbers as digits, decimals minimal; None for none."""
    verdict: str
    """correct, incorrect or no_answer."""


def grade(grader: str, text: str, reference: str, tolerance: float) -> Graded:
    """Read the answer of `text` and compare it with the canonical reference answer.

    `tolerance` is an absolute difference, itself excluded; 0 asks for equality. Raises BadInput
    for an unknown grader.
    """
    prediction = predict(grader, text)
    if prediction is None:
        return Graded(None, "no_answer")
    correct = matches(grader, prediction, reference, tolerance)
    return Graded(prediction, "correct" if correct else "incorrect")


def predict(grader: str, text: str) -> str | None:
    """The number that the grader reads from a text, or None. BadInput for an unknown grader."""
    if grader == "numbers":
        return answer_number(text)
    if grader == "original":
        return original_number(text)
    if grader == "codi":
        return codi_number(text)
    raise _unknown(grader)


def matches(grader: str, prediction: str | None, reference: str, tolerance: float) -> bool:
    """Whether a stored prediction equals the reference answer, as the grader compares them.

    "numbers" compares exactly, whatever the size; "original" compares floats; "codi" compares
    floats for equality and ignores the tolerance. Raises BadInput for an unknown grader.
    """
    if grader not in GRADERS:
        raise _unknown(grader)
    if prediction is None or reference is None:
        return False
    if grader == "numbers":
        return _exactly(prediction, reference, tolerance)
    predicted, expected = as_float(prediction), as_float(reference)
    if predicted is None or expected is None or not math.isfinite(predicted):
        return False
    return _near(predicted, expected, tolerance if grader == "original" else 0)


def _exactly(prediction: str, reference: str, tolerance: float) -> bool:
    # The tolerance as written: the float 0.01 is a little more than one hundredth.
    return _near(value_of(prediction), value_of(reference), Fraction(str(tolerance)))


def _near(predicted: float | Fraction, expected: float | Fraction, tolerance: float) -> bool:
    difference = abs(predicted - expected)
    return difference < tolerance if tolerance > 0 else difference == 0


def _unknown(grader: str) -> BadInput:
    return bad(f"grader {grader!r}", "there is no such grader", f"Use one of {', '.join(GRADERS)}.")
