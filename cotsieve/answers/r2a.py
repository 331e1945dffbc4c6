"""The comparison of the grader "r2a": as published, with its narrow idea of equality.

After the grader of PRM800K (openai/prm800k), which "From Reasoning to Answer" (microsoft/ACV) uses:
order counts in lists, unreduced fractions are wrong, 2^{10} is not 1024. To be called in a process
of its own only: an expression can keep sympy busy for hours.
"""

import re

from cotsieve.answers.r2a_forms import form_a, form_b, is_whole, without_thousands

_BRACKETS = "()[]"
_FRACTION = re.compile(r"-?[0-9]+.?/0*[1-9][0-9]*.?")
_UNREAD = re.compile(r"\^\{|\^\(|\^[0-9]+\^|\^[0-9][0-9]+")


def equal(prediction: str, reference: str) -> bool:
    """Whether the published grader accepts a prediction for a reference answer."""
    if form_a(prediction) == form_a(reference):
        return True
    found, expected = form_b(prediction), form_b(reference)
    if found == expected:
        return True
    if not found:
        return False
    found_parts, expected_parts = _parts(found), _parts(expected)
    brackets_differ = (found[0], found[-1]) != (expected[:1], expected[-1:])
    if len(found_parts) != len(expected_parts) or (len(expected_parts) > 1 and brackets_differ):
        return False
    pairs = zip(found_parts, expected_parts, strict=True)
    return all(_equal_part(part, expected_part) for part, expected_part in pairs)


def _parts(text: str) -> list[str]:
    """The elements of one bracketed group without inner brackets; else the text itself."""
    text = without_thousands(text)
    grouped = len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS
    if grouped and not any(bracket in text[1:-1] for bracket in _BRACKETS):
        return [part.strip() for part in text[1:-1].split(",")]
    return [text] if text else []


def _equal_part(found: str, expected: str) -> bool:
    if _FRACTION.fullmatch(found) and _FRACTION.fullmatch(expected):
        return found == expected
    if is_whole(found) != is_whole(expected):
        return False
    difference = f"({expected})-({found})"
    letters = {
        sign for sign in difference.replace("sqrt", "").replace("frac", "") if sign.isalpha()
    }
    return len(letters) <= 2 and not _UNREAD.search(difference) and _vanishes(difference)


def _vanishes(expression: str) -> bool:
    import sympy
    from sympy.parsing import sympy_parser

    rules = sympy_parser.standard_transformations
    rules += (sympy_parser.implicit_multiplication_application,)
    try:
        parsed = sympy_parser.parse_expr(expression.replace("^", "**"), transformations=rules)
        return bool(sympy.simplify(parsed) == 0)
    except Exception:  # part of the rule: what cannot be read is not equal
        return False
