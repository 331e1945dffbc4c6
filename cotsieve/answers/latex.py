"""The comparison of the grader "math": math-verify (huggingface/Math-Verify) on LaTeX answers.

To be called in a process of its own only: an expression can keep sympy busy for hours. The time
limits of math-verify are switched off, since they turn a slow machine into a wrong verdict.
"""

import logging
import re

from math_verify import parse, verify

_DOLLAR = re.compile(r"(\\.)|\$", re.DOTALL)

for _name in ("math_verify.parser", "math_verify.grader"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # it warns that its time limits are off


def equal(prediction: str, reference: str) -> bool:
    """Whether math-verify accepts a prediction for a reference answer, both as inline LaTeX."""
    expected = parse(_inline(reference), parsing_timeout=None)
    found = parse(_inline(prediction), parsing_timeout=None)
    return bool(verify(expected, found, timeout_seconds=None))


def _inline(answer: str) -> str:
    """In dollar signs, without which math-verify reads little; none may stand inside."""
    one_line = " ".join(answer.split())
    return f"${_DOLLAR.sub(lambda sign: sign[1] or '', one_line)}$"
