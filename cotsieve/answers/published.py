"""The two published ways to read a number from a text, kept with their faults.

"original" is the rule of the GSM8K expansion study (GusSand/CoT_Exploration), "codi" that of the
CODI evaluation script (zhenyi4/codi). Both go through floating point.
"""

import json
import re

from cotsieve.answers.exact import exact

_MARKED = re.compile(r"####\s*+(-?\d+(?:\.\d+)?)")
_NAMED = re.compile(
    r"(?:answer|total|result)(?:\s++is)?\s*+[:=]?\s*+\$?\s*+(-?\d+(?:\.\d+)?)", re.IGNORECASE
)
_CLOSING_REVERSED = re.compile(r"\d+(?:\.\d+)?-?")
_ANY = re.compile(r"-?\d+(?:\.\d+)?")
_CODI = re.compile(r"-?\d+\.?\d*")
_REFERENCE = re.compile(r"####\s*+(-?\d+(?:,\d{3})*(?:\.\d+)?)")
_ANY_REFERENCE = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def original_number(text: str) -> str | None:
    """The study's prediction: after ####, else after the FIRST answer/total/result, else at the
    very end, else the last number. Commas end a number, so "1,234" reads as 1 or 234.
    """
    for pattern in (_MARKED, _NAMED):
        found = pattern.search(text)
        if found:
            return _float_text(found[1])
    # The study searches for a number before the end, in quadratic time; matching the reversed text
    # finds the same one.
    found = _CLOSING_REVERSED.match(text.rstrip()[::-1])
    if found:
        return _float_text(found[0][::-1])
    return _last(_ANY, text)


def codi_number(text: str) -> str | None:
    """CODI's prediction: commas deleted, then the last number."""
    return _last(_CODI, text.replace(",", ""))


def original_reference(solution: str) -> str | None:
    """The study's reference answer: the number after ####, else the last one; commas removed.

    In canonical form and exact, where the study goes through float for decimals.
    """
    marked = _REFERENCE.search(solution)
    numbers = [marked[1]] if marked else _ANY_REFERENCE.findall(solution)
    return exact(numbers[-1].replace(",", "")) if numbers else None


def as_float(text: str | None) -> float | None:
    """A stored prediction or reference as the published code compares it; None when it cannot."""
    top, _, bottom = (text or "").partition("/")
    try:
        return float(top) / float(bottom) if bottom else float(top)
    except (ValueError, ZeroDivisionError):
        return None


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    last = None
    for found in pattern.finditer(text):
        last = found
    return _float_text(last[0]) if last else None


def _float_text(digits: str) -> str:
    """The number as the study's JSON shows it: whole floats as integers ("10.0" is "10")."""
    number = float(digits)
    return json.dumps(int(number) if number.is_integer() else number)
