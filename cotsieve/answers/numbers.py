"""The number a text gives as its answer, in the corrected reading (grader "numbers").

The last place that announces an answer counts: "#### 5", "\\boxed{5}", "the answer is: $5". With
no such place it is the last number of the text.
"""

import re
from collections import deque

from cotsieve.answers.exact import MOST_DIGITS, NUMBER, canonical

LONGEST_GAP = 60
"""Characters that may stand between the word "answer" and its number."""

_PLACE = re.compile(r"#{4,}+|\\boxed\s?\{|\banswer\b", re.IGNORECASE)
_DIGIT = re.compile(r"[0-9]")
_SENTENCE_END = re.compile(r"[.?!;](?![0-9])|\n[\W\d]*[^\W\d]")
_LINKING = re.compile(r"[:=]|\b(?:is|was|be|equals)\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_ARITHMETIC = re.compile(
    r"(?:[0-9=+*/×÷x^){}$% −-]|\\times|\\cdot|[.,](?! )|(?<![0-9] )\(){1,300}="
)
_WINDOW = 3 * MOST_DIGITS


def answer_number(text: str) -> str | None:
    """The answer as canonical text ("1234", "-3.5", "3/4"), or None when there is none.

    The time is proportional to the length of the text. A number of more than 4000 digits, or one
    divided by zero, is no answer.
    """
    last_digit = max(text.rfind(digit) for digit in "0123456789")
    if last_digit < 0:
        return None
    for place in reversed(list(_PLACE.finditer(text, 0, last_digit))):
        found = _number_after(text, place)
        if found:
            return canonical(found)
    found = _last_number(text, last_digit)
    return canonical(found) if found else None


def _number_after(text: str, place: re.Match[str]) -> re.Match[str] | None:
    """The number announced at a place: beyond the equals sign when it stands before a sum."""
    start = place.end()
    found = _next_number(text, start, start + LONGEST_GAP)
    if not found or not _announces(text, place, text[start : found.start()]):
        return None
    sum_ = _ARITHMETIC.match(text, found.start())
    result = _next_number(text, sum_.end(), sum_.end() + 3) if sum_ else None
    return result or found


def _announces(text: str, place: re.Match[str], gap: str) -> bool:
    if place[0].startswith("\\"):
        return not _leaves_box(gap)
    if place[0].startswith("#"):
        return not _LETTER.search(gap)
    if _SENTENCE_END.search(gap):
        return False
    return not _LETTER.search(gap) or bool(_LINKING.search(gap))


def _leaves_box(gap: str) -> bool:
    depth = 1
    for character in gap:
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return True
    return False


def _next_number(text: str, start: int, latest: int) -> re.Match[str] | None:
    """The first number that begins in text[start:latest]."""
    enough = latest + 20  # characters that show that a number begins, as in \\frac{-3}{
    if not _DIGIT.search(text, start, enough):  # quicker than the search for a number
        return None
    found = NUMBER.search(text, start, enough)
    return NUMBER.match(text, found.start()) if found and found.start() < latest else None


def _last_number(text: str, last_digit: int) -> re.Match[str] | None:
    """The last number of the text; only the stretch before the last digit is read."""
    numbers = NUMBER.finditer(text, max(0, last_digit - _WINDOW))
    return next(iter(deque(numbers, maxlen=1)), None)
