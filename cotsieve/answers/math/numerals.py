"""Ways to write numbers, in the spelling of `spelling.plain` → LaTeX that is read to its end.

Grouped digits, mixed and recurring numbers, powers of ten, roots and fractions without braces,
choices and arrangements. Numbers in a base are told apart, since the base is part of the number.
"""

import math
import re
from fractions import Fraction
from typing import NamedTuple

_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\}"
_BARE = r"(\\[A-Za-z]+|[0-9A-Za-z])"
_BARE_TOP = re.compile(rf"\\(frac|binom)\s*(?!\s|\\[a-z]+\s*\{{){_BARE}")
_BARE_BOTTOM = re.compile(rf"\\(frac|binom)\s*({_GROUP})\s*{_BARE}(?!\s*\{{)")
_ROOT = re.compile(
    rf"(?<![A-Za-z\\])\\?sqrt(?![A-Za-z])\s*(\[[^][]*\])?\s*(?:\(([^()]*)\)|(?!\\frac){_BARE})"
)
_OVER = re.compile(r"\{([^{}]*)\\over(?![a-z])([^{}]*)\}")
_CHOOSE = re.compile(r"\{([^{}]*)\\choose(?![a-z])([^{}]*)\}")
_BLANKS = re.compile(r"(?<![0-9.,_^/])([0-9]{1,3}(?:[ '][0-9]{3})+)(?![0-9'])(?! ?/)")
_COMMAS = re.compile(r"(?<![0-9.,_^A-Za-z])([1-9][0-9]{0,2}(?:, ?[0-9]{3})+)(?![0-9])")
_TIGHT = re.compile(r"(?<![0-9.,_^A-Za-z])([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?![0-9])")
_POWER = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)[eE]([+-]?[0-9]{1,4})(?![\w.])")
_TIMES_TEN = re.compile(r"(?<=[0-9]) ?[xX*] ?(?=10 ?\^)")
_MIXED = re.compile(r"(?<![\w.^}])([0-9]+) ?\\frac\{ ?([0-9]+) ?\}\{ ?([0-9]+) ?\}")
_MIXED_SLASH = re.compile(r"(?<![\w.^}/])([0-9]+) ([0-9]+) ?/ ?([0-9]+)(?![\w/])")
_BLOCK = r"(?:\\(?:overline|bar|dot|widebar)\s*\{?\s*[0-9]+\s*\}?\s*[0-9]*\s*)+"
_RECURRING = re.compile(
    rf"(?<![\w.])([0-9]*)\.([0-9]*)({_BLOCK})(?:\\ldots|\.\.\.)?"
    r"|(?<![\w.])([0-9]*)\.([0-9]*)\(([0-9]+)\)(?:\\ldots|\.\.\.)?"
    r"|(?<![\w.])([0-9]*)\.([0-9]{2,200}) ?(?:\\ldots|\.\.\.+)"
)
_BLOCKS = re.compile(r"\\(overline|bar|dot|widebar)\s*\{?\s*([0-9]+)\s*\}?\s*([0-9]*)")
_CHOICE = re.compile(
    r"(?:\{ ?\})?(?:(?:_|(?<![\w)}])\^)\{?([0-9]+)\}? ?)?(?<![A-Za-z\\])"
    r"(?:\\text\{ ?)?([CPA])(?: ?\})?"
    r"(?: ?_\{?([0-9]+)\}? ?\^\{?([0-9]+)\}?| ?_\{?([0-9]+)\}?| ?\(([0-9]+) ?, ?([0-9]+)\))"
)
_DOUBLE = re.compile(r"(?<![\w.!)}])([0-9]{1,3})!!(?!!)")
_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
        ],
        start=2,
    )
} | {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16}
_BASED = re.compile(
    r"[({]*([0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)[)}]* ?"
    r"(?:_ ?\{? ?\(?(?:\\text\{ ?)?(?:base )?([0-9]{1,2}|[a-z]+) ?\}?\)? ?\}?"
    r"|\(? ?(?:\\text\{ ?)?\(? ?(?:in )?base ?\}? ?\{?([0-9]{1,2}|[a-z]+)[ })]*)"
)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Based(NamedTuple):
    """A number of digits in a base."""

    digits: str
    base: int


def based(text: str) -> Based | None:
    """A text that is one number with its base: 1101_2, (2A)_{16}, 11_{\\text{two}}, 12 base 3."""
    found = _BASED.fullmatch(text)
    if not found:
        return None
    name = found[2] or found[3]
    base = int(name) if name.isdigit() else _WORDS.get(name, 0)
    digits = found[1].upper().lstrip("0") or "0"
    if not 2 <= base <= 36 or not set(digits) <= {*_DIGITS[:base], "."}:
        return None
    looks_so = found[1][0].isdigit() or (base > 10 and found[1].isupper() and len(digits) > 1)
    return Based(digits, base) if looks_so else None


def read_numbers(text: str) -> str:
    """The text with its numbers, fractions and roots written in the full form of LaTeX."""
    text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
    text = _TIMES_TEN.sub(r" \\times ", _OVER.sub(r"\\frac{\1}{\2}", text))
    text = text.replace("**", "^").replace("*", r" \cdot ")
    text = _ROOT.sub(_full_root, _BARE_TOP.sub(r"\\\1{\2}", text))
    text = _BARE_BOTTOM.sub(r"\\\1\2{\3}", text)
    text = _RECURRING.sub(_recurring, text)
    text = _POWER.sub(r"\1 \\cdot 10^{\2}", text)
    text = _MIXED_SLASH.sub(_mixed, _MIXED.sub(_mixed, text))
    text = _BLANKS.sub(lambda found: re.sub("[ ']", "", found[1]), text)
    return _DOUBLE.sub(_double_factorial, _CHOICE.sub(_choice, text))


def without_commas(text: str) -> str:
    """The text with 1,234,567 as one number, where its commas cannot be those of a list."""
    if not any(bracket in text for bracket in "()[]{}"):
        return _TIGHT.sub(lambda found: found[1].replace(",", ""), text)
    if re.search(r"[,;] ", text):
        return _TIGHT.sub(lambda found: found[1].replace(",", ""), text)
    return text


def other_countries(text: str) -> str | None:
    """A number with the marks of other countries (3,5  1.234,5  12,34,567) as plain digits."""
    if re.fullmatch(r"-?[0-9]+,[0-9]+", text):
        return text.replace(",", ".")
    if (
        re.fullmatch(r"-?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?", text)
        and text.count(".") + ("," in text) > 1
    ):
        return text.replace(".", "").replace(",", ".")
    if re.fullmatch(r"-?[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?", text):
        return text.replace(",", "")
    return None


def _full_root(found: re.Match[str]) -> str:
    inside = found[2] if found[2] is not None else found[3]
    return rf"\sqrt{found[1] or ''}{{{inside}}}"


def _mixed(found: re.Match[str]) -> str:
    whole, top, bottom = found.groups()
    if int(top) < int(bottom):
        return rf"({whole}+\frac{{{top}}}{{{bottom}}})"
    return rf"{whole} \cdot \frac{{{top}}}{{{bottom}}}"


def _recurring(found: re.Match[str]) -> str:
    whole, start, block = found.group(1, 2, 3) if found[3] else found.group(4, 5, 6)
    if found[3]:
        block = _block(found[3])
    elif found[6] is None:
        whole = found[7]
        start, block = _repetition(found[8])
    if not block:
        return found[0]
    value = Fraction(int(f"0{whole}{start}{block}") - int(f"0{whole}{start}"))
    value /= 10 ** len(start) * (10 ** len(block) - 1)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _block(text: str) -> str:
    """The digits under bars, or from the first dotted digit to the last."""
    found = _BLOCKS.findall(text)
    if any(digits for name, _, digits in found[-1:] if digits):
        return ""
    return "".join(under + behind for _, under, behind in found)


def _repetition(digits: str) -> tuple[str, str]:
    """0.1666... → ("1", "6"): the shortest block that fills the end at least twice."""
    for length in range(1, len(digits) // 2 + 1):
        block, times = digits[-length:], 1
        while digits.endswith(block * (times + 1)):
            times += 1
        if times >= (3 if length == 1 else 2):
            return digits[: len(digits) - times * length], block
    return "", ""


def _choice(found: re.Match[str]) -> str:
    before, name, below, above, alone, first, second = found.groups()
    if first:
        whole, part = int(first), int(second)
    elif above:
        whole, part = int(below), int(above)
    elif before and alone:
        whole, part = int(before), int(alone)
    else:
        return found[0]
    if not 0 <= part <= whole <= 999:
        return found[0]
    return str(math.comb(whole, part) if name == "C" else math.perm(whole, part))


def _double_factorial(found: re.Match[str]) -> str:
    return str(math.prod(range(int(found[1]), 0, -2)))
