"""From a generated text to a verdict, by one of six named rules.

"numbers" is the corrected default for numbers; "original" is the rule of the GSM8K expansion study
and "codi" that of the CODI evaluation script, both kept as published. "math" compares LaTeX answers
in boxes by math-verify; "r2a" is the rule of "From Reasoning to Answer" (PRM800K), and
"thought-anchors" that of "Thought Anchors", as published.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from cotsieve.answers.boxed import final_boxes
from cotsieve.answers.exact import value_of
from cotsieve.answers.numbers import answer_number
from cotsieve.answers.published import as_float, codi_number, original_number
from cotsieve.answers.symbolic import LONGEST_ANSWER, verdicts
from cotsieve.answers.thinking import read_response, visible
from cotsieve.answers.thought_anchors import read_answer
from cotsieve.ground.faults import BadInput, bad

NOT_READ = "not read"
"""Reason of an incorrect answer that could not be compared: the texts differ, and one of them
could not be read to its end."""
SYMBOLIC = ("math", "r2a", "thought-anchors")
"""Graders of LaTeX answers; they compute in worker processes, so ask for many verdicts at once."""
GRADERS = ("numbers", "original", "codi", *SYMBOLIC)
LIBRARIES = {
    "math": ("antlr4-python3-runtime", "latex2sympy2_extended", "math-verify", "sympy"),
    "r2a": ("pylatexenc", "sympy"),
    "thought-anchors": ("antlr4-python3-runtime", "sympy"),
}
"""Grader → the packages whose versions can change its verdicts; the others use none."""


class Graded(NamedTuple):
    """What one generated text is worth."""

    prediction: str | None
    """What was read from the text: a number, where whole ones are digits and decimals minimal, or
    the content of a box; None for nothing."""
    verdict: str
    """correct, incorrect, no_answer, or failed when the grader could not tell."""
    reason: str | None = None
    """Why the verdict is failed; NOT_READ of an incorrect answer that could not be read."""


class NoVerdict(RuntimeError):
    """The grader could not tell whether an answer is right; the message says why."""


def grade(grader: str, text: str, reference: str, tolerance: float) -> Graded:
    """Read the answer of `text` and compare it with the reference answer.

    `tolerance` is an absolute difference, itself excluded; 0 asks for equality. Raises BadInput
    for an unknown grader and for a reference the grader cannot compare with.
    """
    return grade_many(grader, [(text, reference)], tolerance)[0]


def grade_many(
    grader: str, pairs: Sequence[tuple[str, str]], tolerance: float, processes: int = 1
) -> list[Graded]:
    """`grade` for pairs of text and reference, in order; the same whatever `processes` is."""
    read = [(predict(grader, text), reference) for text, reference in pairs]
    return compare_many(grader, read, tolerance, processes)


def predict(grader: str, text: str) -> str | None:
    """What the grader reads from a text as its answer, or None. BadInput for an unknown grader.

    "numbers", "original" and "codi" read a number. "math" reads the last box, or the last ones
    that belong together, "r2a" the last box with at most one level of braces inside; both look
    behind the last </think>, where "r2a" needs one and "math" takes a text without any thinking
    whole. "thought-anchors" reads the first box that is not empty, wherever it stands.
    """
    if grader == "numbers":
        return answer_number(text)
    if grader == "original":
        return original_number(text)
    if grader == "codi":
        return codi_number(text)
    if grader == "math":
        return final_boxes(visible(text))
    if grader == "r2a":
        return read_response(text).extracted or None
    if grader == "thought-anchors":
        return read_answer(text) or None
    raise _unknown(grader)


def compare_many(
    grader: str,
    pairs: Sequence[tuple[str | None, str]],
    tolerance: float,
    processes: int = 1,
) -> list[Graded]:
    """Verdicts on pairs of stored prediction and reference, in order.

    A missing prediction, or with "math" and "r2a" one of more than 1000 characters, is no answer.
    Whatever the grader cannot decide within its limits of time is failed, with the reason.
    """
    if grader not in GRADERS:
        raise _unknown(grader)
    if grader in SYMBOLIC:
        return _compare_symbolic(grader, pairs, processes)
    return [
        Graded(prediction, _verdict(matches(grader, prediction, reference, tolerance)))
        if prediction is not None
        else Graded(None, "no_answer")
        for prediction, reference in pairs
    ]


def matches(grader: str, prediction: str | None, reference: str, tolerance: float) -> bool:
    """Whether a stored prediction equals the reference answer, as the grader compares them.

    "numbers" compares exactly, whatever the size; "original" compares floats; "codi" compares
    floats for equality. "codi", "math" and "r2a" ignore the tolerance. Raises BadInput for an
    unknown grader and for a reference that "numbers" cannot read, NoVerdict when "math" or "r2a"
    could not tell.
    """
    if grader not in GRADERS:
        raise _unknown(grader)
    if prediction is None or reference is None:
        return False
    if grader in SYMBOLIC:
        return _matches_symbolic(grader, prediction, reference)
    if grader == "numbers":
        return _exactly(prediction, reference, tolerance)
    predicted, expected = as_float(prediction), as_float(reference)
    if predicted is None or expected is None or not math.isfinite(predicted):
        return False
    return _near(predicted, expected, tolerance if grader == "original" else 0)


def _compare_symbolic(
    grader: str, pairs: Sequence[tuple[str | None, str]], processes: int
) -> list[Graded]:
    open_ = [
        (prediction, reference)
        for prediction, reference in pairs
        if _readable(prediction) and not _identical(prediction, reference)
    ]
    known = dict(zip(open_, verdicts(grader, open_, processes), strict=True))
    return [_graded(*pair, known.get(pair, True)) for pair in pairs]


def _graded(prediction: str | None, reference: str, verdict: bool | str) -> Graded:
    if prediction is None or not _readable(prediction):
        return Graded(None, "no_answer")
    if verdict == NOT_READ:
        return Graded(prediction, "incorrect", NOT_READ)
    if isinstance(verdict, str):
        return Graded(prediction, "failed", verdict)
    return Graded(prediction, _verdict(verdict))


def _readable(prediction: str | None) -> bool:
    return prediction is not None and len(prediction) <= LONGEST_ANSWER


def _identical(prediction: str, reference: str) -> bool:
    """True of most right answers, and then nothing needs to be computed."""
    return prediction.strip() == reference.strip() != ""


def _matches_symbolic(grader: str, prediction: str, reference: str) -> bool:
    (graded,) = _compare_symbolic(grader, [(prediction, reference)], processes=1)
    if graded.verdict == "failed":
        raise NoVerdict(graded.reason)
    return graded.verdict == "correct"


def _verdict(correct: bool) -> str:
    return "correct" if correct else "incorrect"


def _exactly(prediction: str, reference: str, tolerance: float) -> bool:
    try:
        expected = value_of(reference)
    except (ValueError, ZeroDivisionError):
        what = f"the reference answer {reference[:60]!r} is not a number"
        raise bad("grader 'numbers'", what, "Use the grader math for LaTeX answers.") from None
    # The tolerance as written: the float 0.01 is a little more than one hundredth.
    return _near(value_of(prediction), expected, Fraction(str(tolerance)))


def _near(predicted: float | Fraction, expected: float | Fraction, tolerance: float) -> bool:
    difference = abs(predicted - expected)
    return difference < tolerance if tolerance > 0 else difference == 0


def _unknown(grader: str) -> BadInput:
    return bad(f"grader {grader!r}", "there is no such grader", f"Use one of {', '.join(GRADERS)}.")
