"""The number a text gives as its answer, in the corrected reading (grader "numbers").

The last place that announces an answer counts: "#### 5", "\\boxed{5}", "the answer is: $5". With
no such place it is the last number of the text.
"""

import re
import unicodedata
from collections import deque
from fractions import Fraction

from cotsieve.answers.exact import MOST_DIGITS, NUMBER, canonical, exact

LONGEST_GAP = 60
"""Characters that may stand between the word "answer" and its number."""

_FOREIGN = r"respuesta|réponse|antwort|ответ|resposta|risposta|antwoord|odpowiedź|svar|svaret"
_PLACE = re.compile(
    rf"#{{4,}}+|\\boxed\s?\{{|\\boxed(?=\s?[0-9\\])|\banswer\b|(?P<foreign>\b(?:{_FOREIGN})\b)|答案",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"[0-9]")
_SENTENCE_END = re.compile(r"[.?!;](?![0-9])|\n[\W\d]*[^\W\d]")
_LINKING = re.compile(r"[:=]|\b(?:is|was|be|equals|es|est|ist|é|è|är|jest)\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_LABEL = re.compile(
    r"\s?(?:#|no\.?|number|part|question|q)?\s?\(?(?:#|no\.?)?[0-9]{1,3}\)?\s?[*_]{0,2}[:=]\s?",
    re.IGNORECASE,
)
_ARITHMETIC = re.compile(
    r"(?:[0-9=+*/×÷x^){}$% −-]|\\times|\\cdot|[.,](?! )|(?<![0-9] )\(){1,300}="
)
_WORDY_SUM = re.compile(r"(?:[^=.,;:!?()\n]|[.,](?=[0-9])){1,200}=")
_OPERATOR = re.compile(r"[*×·÷+/−-]|\\times|\\cdot|\b(?:x|of|per|times|plus|minus|at)\b")
_EXPLAINS = re.compile(r"\b(?:since|because|as|which|so|where|if|when|means|and|or|given)\b")
_MINUS_APART = re.compile(r"\b(?:is|was|be|equals)\s+[−–-]\s?\$?$", re.IGNORECASE)
_GROUPS = re.compile(r"(?: [0-9]{3})+(?![0-9]|[.,][0-9]| ?[*+/=×x^-])")
_POWER = re.compile(r"\^\{?([0-9]{1,4})\}?(?! ?[*+/=×x^(-])")
_DECIMAL_COMMA = re.compile(r"-?[0-9]{1,3}(?:[. ][0-9]{3})*,[0-9]+(?![0-9,])|-?[0-9]+,[0-9]+")
_NEXT_QUESTION = re.compile(
    r"\n\s{0,9}(?:[-=*#]{3,}\s{1,9})?[*#]{0,3} ?"
    r"(?:question|problem|human|user|instruction|exercise|q) ?[0-9]{0,3}\*{0,2} ?[:.)]"
    r"|<\|(?:endoftext|im_end|eot_id)\|>|</s>",
    re.IGNORECASE,
)
_POWER_OF_UNIT = re.compile(r"(?<![A-Za-z])(?:[dckm]?m|ft|in|yd|mi|unit|units)\^?\{?$")
_SPAN_OF_TIME = re.compile(r"[ -](?:second|minute|hour|day|week|month|year)s?\b")
_AFTER = re.compile(r"\b(?:after|within|in|over|during|for|every)(?: the)?(?: next| last)? $")
_REMARK = re.compile(
    r"\((?:see |from |in |cf\.? ?)*(?:step|note|part|page|question|problem|eq|equation|line|case)\b"
    r"[^()\n]{0,60}\)"
)
_WINDOW = 3 * MOST_DIGITS


def answer_number(text: str) -> str | None:
    """The answer as canonical text ("1234", "-3.5", "3/4"), or None when there is none.

    The time is proportional to the length of the text. A number of more than 4000 digits, or one
    divided by zero, is no answer.
    """
    text = _with_ascii_numbers(text)
    last_digit = _last_digit(text)
    if last_digit < 0:
        return None
    for place in reversed(list(_PLACE.finditer(text, 0, last_digit))):
        found = _number_after(text, place)
        if found:
            earlier = _before_next_question(text, place)
            return answer_number(earlier) if earlier else _worth(text, place, found)
    found = _last_number(text, last_digit)
    return canonical(found) if found else None


def _with_ascii_numbers(text: str) -> str:
    """The text with the digits of all scripts and signs such as ½ in ASCII."""
    return text if text.isascii() else "".join(map(_ascii_number, text))


def _ascii_number(sign: str) -> str:
    if sign.isascii() or not sign.isnumeric():
        return sign
    if unicodedata.category(sign) == "Nd":
        return str(unicodedata.decimal(sign))
    top, slash, bottom = unicodedata.normalize("NFKC", sign).partition("⁄")
    return f" {top}/{bottom}" if slash and bottom else sign


def _last_digit(text: str) -> int:
    return max(text.rfind(digit) for digit in "0123456789")


def _before_next_question(text: str, place: re.Match[str]) -> str | None:
    """The text before a further question that a model put to itself, if an answer stands there."""
    if not _NEXT_QUESTION.search(text, 0, place.start()):
        return None
    places = _PLACE.finditer(text, 0, place.start())
    first = next((found for found in places if _number_after(text, found)), None)
    cut = _NEXT_QUESTION.search(text, first.end(), place.start()) if first else None
    return text[: cut.start()] if cut else None


def _number_after(text: str, place: re.Match[str]) -> re.Match[str] | None:
    """The number announced at a place: beyond the equals sign when it stands before a sum."""
    start = place.end()
    label = _LABEL.match(text, start) if place[0].isalpha() else None
    if label and _next_number(text, label.end(), label.end() + 20):
        start = label.end()
    found = _next_number(text, start, start + LONGEST_GAP)
    if not found or not _announces(text, place, text[place.end() : found.start()]):
        return None
    return _result(text, found) or found


def _result(text: str, found: re.Match[str]) -> re.Match[str] | None:
    """The number behind the last equals sign of a sum, words in it too, that begins at a number."""
    sum_ = _ARITHMETIC.match(text, found.start())
    result = None
    if sum_:
        result = _next_number(text, sum_.end(), sum_.end() + 3)
    for _ in range(5):
        begin = (result or found).start()
        sum_ = _WORDY_SUM.match(text, begin)
        if not sum_ or _EXPLAINS.search(sum_[0]) or _leaves_box(sum_[0]):
            break
        if not result and not _OPERATOR.search(sum_[0]):
            break
        further = _next_number(text, sum_.end(), sum_.end() + 3)
        if not further:
            break
        result = further
    return result


def _worth(text: str, place: re.Match[str], found: re.Match[str]) -> str | None:
    """The canonical text of an announced number, with what stands around it and belongs to it."""
    if place["foreign"]:
        comma = _DECIMAL_COMMA.match(text, found.start())
        if comma:
            return exact(re.sub("[. ]", "", comma[0]).replace(",", "."))
    value = canonical(found)
    groups = _GROUPS.match(text, found.end())
    if groups and value and value.lstrip("-").isdigit() and len(value.lstrip("-")) <= 3:
        return value + groups[0].replace(" ", "") if value.strip("-0") else value
    power = _POWER.match(text, found.end())
    if power and value and len(value) * int(power[1]) <= MOST_DIGITS:
        value = exact(str(Fraction(value) ** int(power[1])))
    if value and not found["minus"] and _MINUS_APART.search(text, place.start(), found.start()):
        return exact(f"-{value}")
    return value


def _announces(text: str, place: re.Match[str], gap: str) -> bool:
    if place[0].startswith("\\"):
        return not _leaves_box(gap)
    if place[0].startswith("#"):
        return not _LETTER.search(gap)
    label = _LABEL.match(gap)
    gap = gap[label.end() :] if label else gap
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
    """The last number of the text that is no power of a unit, no remark and no span of time.

    Only the stretch before the last digit is read.
    """
    start = max(0, last_digit - _WINDOW)
    numbers = deque(NUMBER.finditer(text, start), maxlen=4)
    remarks = deque(_REMARK.finditer(text, max(start, last_digit - 100)), maxlen=1)
    remark = remarks[0] if remarks else None
    while len(numbers) > 1 and _is_beside(text, numbers, remark):
        numbers.pop()
    return numbers[-1] if numbers else None


def _is_beside(text: str, numbers: deque[re.Match[str]], remark: re.Match[str] | None) -> bool:
    found, earlier = numbers[-1], numbers[-2]
    before = text[max(0, found.start() - 30) : found.start()]
    if remark and remark.start() < found.start() < remark.end():
        return True
    if found[0] in ("2", "3") and _POWER_OF_UNIT.search(before):
        return True
    results_in = text[max(0, earlier.start() - 3) : earlier.start()].rstrip(" $").endswith("=")
    spans = _AFTER.search(before) and _SPAN_OF_TIME.match(text, found.end())
    return bool(spans and results_in)
