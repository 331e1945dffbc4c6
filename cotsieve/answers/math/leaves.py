"""Two answers of one part each: times, numbers in a base, ratios, quantities, names, formulas.

Verdicts are True, False, or None where the texts differ and one could not be read to its end.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from cotsieve.answers.math.expressions import NotRead, equal_formulas, read
from cotsieve.answers.math.numerals import Based, based
from cotsieve.answers.math.quantities import Quantity, Unit, quantity
from cotsieve.answers.math.words import letter, name, value_of_words, with_names

NUMBER = re.compile(r"[-+]? ?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_QUOTIENT = re.compile(r"(-?) ?\\frac\{ ?(-?[0-9]+) ?\}\{ ?([0-9]+) ?\}|(-?)([0-9]+) ?/ ?([0-9]+)")
_LEADING = re.compile(r"^ ?(?:=|\\approx|\\therefore|\\Rightarrow|\\to|:)+ ?")
_COLON = re.compile(r" ?(?::|\\text\{to\}| to ) ?")
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|in|equiv)(?![a-z])")
_FORMAT = re.compile(r"\\text\{|[{}\s]")

_CLOCK = re.compile(
    r"([0-9]{1,2})(?: ?: ?([0-9]{2}))?(?: ?: ?([0-9]{2}))?"
    r" ?(noon|midnight|o'? ?clock|[ap]\.? ?m\.?)?",
    re.IGNORECASE,
)


class _Clock(NamedTuple):
    """A time of day."""

    hour: int
    minute: int
    second: int
    half: str
    """a, p or nothing."""
    complete: bool
    """Minutes were given."""


def equal_texts(found: str, expected: str) -> bool | None:
    """The verdict on two texts that are no lists."""
    found, expected = (
        value_of_words(_LEADING.sub("", side, count=1)) for side in (found, expected)
    )
    if found == expected:
        return True
    verdict = _equal_notations(found, expected)
    if verdict is not None:
        return verdict
    if _RELATION.search(found) or _RELATION.search(expected):
        return _equal_formulas(found, expected)
    return equal_quantities(quantity(found), quantity(expected))


def _equal_notations(found: str, expected: str) -> bool | None:
    """The verdict on times, ratios and numbers in a base; None of others."""
    times = _clock(found), _clock(expected)
    if all(times):
        return _same_time(*times)
    bases = based(found), based(expected)
    if any(bases):
        return _equal_in_base(found, expected, *bases)
    ratios = _COLON.split(found), _COLON.split(expected)
    if all(len(ratio) > 1 for ratio in ratios):
        return _equal_ratios(*ratios)
    if any(times):
        return _equal_hour(times, (found, expected))
    if len(ratios[0]) + len(ratios[1]) == 3:
        return _equal_formulas(*(side.replace(":", "/") for side in (found, expected)))
    return None


def _clock(text: str) -> _Clock | None:
    """A text that is a time of day, such as 6:30 or 10 p.m., and nothing else."""
    found = _CLOCK.fullmatch(re.sub(r"\\text\{([^{}]*)\}", r"\1", text).strip())
    if not found or not (found[2] or found[4]):
        return None
    hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3))
    name = (found[4] or "").lower()
    half = {"n": "p", "m": "a", "o": ""}.get(name[:1], name[:1])
    if hour > 24 or minute > 59 or second > 59:
        return None
    return _Clock(hour, minute, second, half, bool(found[2]))


def _same_time(one: _Clock, other: _Clock) -> bool:
    """Whether two times of day are the same; a half of the day that one leaves out is no matter."""
    if one[1:3] != other[1:3]:
        return False
    if bool(one.half) != bool(other.half) and max(one.hour, other.hour) <= 12:
        return one.hour == other.hour
    return _hour(one) == _hour(other)


def _hour(time: _Clock) -> int:
    if not time.half:
        return time.hour % 24
    return time.hour % 12 + (12 if time.half == "p" and time.hour <= 12 else 0)


def _equal_hour(times: tuple[_Clock | None, _Clock | None], texts: tuple[str, str]) -> bool | None:
    """A time with its half of the day against a bare number of hours."""
    (time,) = filter(None, times)
    other = texts[0] if times[1] else texts[1]
    if NUMBER.fullmatch(other):
        return not time.minute and Fraction(other) == time.hour
    return None


def _equal_in_base(found: str, expected: str, one: Based | None, other: Based | None) -> bool:
    """A base that only one side tells is no matter; another base is another number."""
    if one and other:
        return one == other
    known = one or other
    bare = (expected if one else found).strip("() ").upper()
    return (bare.lstrip("0") or "0") == known.digits


def _equal_ratios(found: list[str], expected: list[str]) -> bool | None:
    if len(found) != len(expected):
        return False
    if found == expected:
        return True
    verdicts = [
        _equal_formulas(rf"({one}) \cdot ({expected[0]})", rf"({other}) \cdot ({found[0]})")
        for one, other in zip(found[1:], expected[1:], strict=True)
    ]
    return False if False in verdicts else None if None in verdicts else True


def equal_quantities(found: Quantity, expected: Quantity) -> bool | None:
    """The verdict on two numbers with units; a unit that only one side has is no matter."""
    one, other = found.unit, expected.unit
    dimensions = {*one.dimensions} ^ {*other.dimensions}
    if one.dimensions and other.dimensions:
        if {name_ for name_, _ in dimensions} == {"angle", "radian"}:
            return _equal_angles(found, expected)
        if not _only_unknown(one, other):
            return False
        factor = one.size * one.times / (other.size * other.times)
        return equal_numbers(found.number, expected.number, factor)
    if not dimensions and one.times == other.times:
        return _equal_numbers_or_names(found.number, expected.number)
    return _equal_with_one_unit(found, expected)


def _only_unknown(one: Unit, other: Unit) -> bool:
    """Whether two units differ at most in words of one side that are in no table."""
    more = {*one.dimensions} - {*other.dimensions}, {*other.dimensions} - {*one.dimensions}
    return not all(more) and all(name_.startswith("?") for side in more for name_, _ in side)


def _equal_with_one_unit(found: Quantity, expected: Quantity) -> bool | None:
    one, other = found.unit.times, expected.unit.times
    verdict = equal_numbers(found.number, expected.number, one / other)
    if verdict is not False:
        return verdict
    if {one, other} == {Fraction(1), Fraction(1, 100)}:
        return _at_least_one(found.number) and equal_numbers(found.number, expected.number)
    if ("angle", 1) in (*found.unit.dimensions, *expected.unit.dimensions):
        return _equal_angles(found, expected)
    return False


def _at_least_one(number: str) -> bool:
    """A percent sign may be left out of 35 %, but not of 0.35 %: 0.35 would be read as a part."""
    value = rational(number)
    return value is None or abs(value) >= 1


def _equal_angles(found: Quantity, expected: Quantity) -> bool | None:
    sides = []
    for number, unit in (found, expected):
        turned = ("angle", 1) in unit.dimensions
        size = unit.size / 180
        factor = rf"\frac{{{size.numerator}\pi}}{{{size.denominator}}}" if turned else "1"
        sides.append(rf"({number}) \cdot {factor}")
    return _equal_formulas(*sides)


def equal_numbers(found: str, expected: str, factor: Fraction = Fraction(1)) -> bool | None:
    """Whether `factor` times one number is the other; a decimal reference by its last place.

    A number with more places than the reference may differ by a thousandth of the last place.
    """
    one, other = rational(found), rational(expected)
    if one is not None and other is not None:
        _, point, places = expected.partition(".")
        allowed = Fraction(1, 1000 * 10 ** len(places)) if point and "." in found else 0
        return abs(one * factor - other) <= allowed
    if factor != 1:
        found = rf"\frac{{{factor.numerator}}}{{{factor.denominator}}} \cdot ({found})"
    return _equal_formulas(found, expected)


def rational(text: str) -> Fraction | None:
    """The value of a plain number or a fraction of whole numbers."""
    text = text.strip().removeprefix("(").removesuffix(")") if text.startswith("(") else text
    if NUMBER.fullmatch(text):
        return Fraction(text.replace(" ", "").rstrip("."))
    found = _QUOTIENT.fullmatch(text)
    if not found or not int(found[3] or found[6]):
        return None
    value = Fraction(int(found[2] or found[5]), int(found[3] or found[6]))
    return -value if found[1] or found[4] else value


def _equal_numbers_or_names(found: str, expected: str) -> bool | None:
    if rational(found) is not None and rational(expected) is not None:
        return equal_numbers(found, expected)
    names = name(found), name(expected)
    if all(names):
        return names[0] == names[1]
    letters = letter(found), letter(expected)
    if all(letters):
        return letters[0] == letters[1]
    if any(names):
        return _equal_name(names, letters, (found, expected))
    return _equal_formulas(found, expected)


def _equal_name(names: tuple, letters: tuple, texts: tuple[str, str]) -> bool | None:
    """A name against a letter, which has no case then, or against a text that is no name."""
    place = 0 if names[0] else 1
    other = texts[1 - place]
    single = letters[1 - place]
    if single in ("i", "e"):
        return _bare(texts[place]).strip("()") == single
    if single:
        return single.casefold() == names[place]
    if _bare(other).casefold() == names[place].replace(" ", ""):
        return True
    return False if rational(other) is not None or other.isalpha() else None


def _equal_formulas(found: str, expected: str) -> bool | None:
    if _bare(found) == _bare(expected):
        return True
    try:
        return equal_formulas(read(with_names(found)), read(with_names(expected)))
    except NotRead:
        return None


def _bare(text: str) -> str:
    return _FORMAT.sub("", text)
