"""Written numbers as exact values, and the one way this package writes them down."""

import re
from fractions import Fraction

MOST_DIGITS = 4000
"""Longer numbers are not read: Python refuses to turn integers above 4300 digits into text."""

_APART = r"(?:,(?:\\!)?|\{,\}|\\[,;: ]|[\u00a0\u2009\u202f])"
_WHOLE = rf"(?:[1-9][0-9]{{0,2}}(?:{_APART}[0-9]{{3}}(?![0-9]))+|[0-9]++)"
_MONEY = r"(?:(?:\\?\$|[€£¥₹]) ?)"
_MINUS = r"(?:(?<![\w)\]}%−-])[−-]|(?<=[:=({])[ ]?[−-] |(?<=[:=({] )[−-] )"
_POWER = r"(?:[eE](?P<exponent>[+-]?[0-9]++)(?![A-Za-z])"
_POWER += r"| ?(?:\\times|\\cdot|×|\*) ?10\^\{?(?P<power>[−-]?[0-9]++)\}?)"
_FRACTION = r"\\[dt]?frac(?:\{(?P<over>[−-]?[0-9]++)\}\{(?P<under>[0-9]++)\}"
_FRACTION += r"|(?P<over1>[0-9])(?P<under1>[0-9]))"

NUMBER = re.compile(
    rf"(?P<minus>{_MINUS})?{_MONEY}?(?P<minus2>(?<=[$€£¥₹])[−-])?"
    rf"(?:(?P<mixed>[0-9]++)?[ ]?{_FRACTION}"
    r"|(?<!/)(?:(?P<mixed1>[0-9]++) )?(?P<top>[0-9]++) ?/ ?(?P<bottom>[0-9]++)(?! ?/)"
    rf"|(?P<decimal>{_WHOLE}(?:\.[0-9]++)?|(?<![0-9])\.[0-9]++){_POWER}?)"
)
"""A number as people and LaTeX write it: 1,234  1{,}234.5  -$5  .5  3/4  1 1/2  \\frac34  1e5.

A minus after a word, a number or a closing bracket is an operator or a dash, not a sign.
Only ASCII digits count. Matching takes time in proportion to the length of the text.
"""

_AROUND = re.compile(r"\+?(?P<number>.*?)(?:\\?%|\.)?", re.DOTALL)
_NOT_DIGITS = re.compile(r"[^0-9.]")


def exact(text: str) -> str | None:
    """The canonical text of a text that is one number and nothing else, or None.

    A currency sign, a percent sign and a closing full stop are ignored: "$1,234." is "1234",
    "50%" is "50".
    """
    found = NUMBER.fullmatch(_AROUND.fullmatch(text.strip())["number"])
    return canonical(found) if found else None


def canonical(found: re.Match[str]) -> str | None:
    """A match of `NUMBER` in canonical form; None when it is too long or divides by zero.

    Whole numbers are digits ("-5"), decimals minimal ("3.5"), fractions reduced ("3/4").
    """
    value = _value(found)
    if value is None:
        return None
    if found["minus"] or found["minus2"]:
        value = -value
    return str(value) if found["decimal"] is None or value.denominator == 1 else _decimal(value)


def value_of(canonical_text: str) -> Fraction:
    """The exact value of a canonical text."""
    return Fraction(canonical_text)


def _value(found: re.Match[str]) -> Fraction | None:
    power = found["exponent"] or found["power"] or "0"
    if len(power) > 6 or len(found[0]) + abs(_integer(power)) > MOST_DIGITS:
        return None
    if found["decimal"] is not None:
        number = _NOT_DIGITS.sub("", found["decimal"])
        return Fraction(number) * Fraction(10) ** _integer(power)
    over = _integer(found["over"] or found["over1"] or found["top"])
    under = _integer(found["under"] or found["under1"] or found["bottom"])
    whole = found["mixed"] or found["mixed1"]
    if under == 0:
        return None
    part = Fraction(over, under)
    if whole and found["mixed1"] and part >= 1:  # "12 18/9" is two numbers, not a mixed one
        return part
    return part + _integer(whole or "0")


def _integer(digits: str) -> int:
    return int(digits.replace("−", "-"))


def _decimal(value: Fraction) -> str:
    """A value whose denominator has only the factors 2 and 5, without exponent or end zeros."""
    places = max(_times(value.denominator, 2), _times(value.denominator, 5))
    scaled = abs(value.numerator) * 10**places // value.denominator
    digits = str(scaled).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _times(number: int, factor: int) -> int:
    count = 0
    while number % factor == 0:
        number //= factor
        count += 1
    return count
