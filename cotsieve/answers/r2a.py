"""The comparison of the grader "r2a": as published, with its narrow idea of equality.

After the grader of PRM800K (openai/prm800k), which "From Reasoning to Answer" (microsoft/ACV) uses:
order counts in lists, unreduced fractions are wrong, 2^{10} is not 1024. To be called in a process
of its own only: an expression can keep sympy busy for hours.

Texts are compared in two normal forms, whose faults are kept: units are deleted inside words too,
and numbers are read as Python reads them.
"""

import re

_BRACKETS = "()[]"
_FRACTION = re.compile(r"-?[0-9]+.?/0*[1-9][0-9]*.?")
_UNREAD = re.compile(r"\^\{|\^\(|\^[0-9]+\^|\^[0-9][0-9]+")
_ENCLOSED = re.compile(r"\\text\{(.+?)\}")
_UNITS = [
    "degree",
    "cm",
    "centimeter",
    "meter",
    "mile",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "foot",
    "feet",
    "inch",
    "yard",
]
_WORDS = {" or ": " , ", " and ": " , ", "million": "*10^6", "billion": "*10^9"}
_WORDS["trillion"] = "*10^12"
_SYMBOLS = {"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"}
_THOUSANDS = re.compile(r"(\d),(\d\d\d)(?=$|\D)")


class _Malformed(ValueError):
    """A text the first normaliser gives up on."""


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


def form_a(answer: str | None) -> str | None:
    """The LaTeX normal form of the MATH authors (Hendrycks et al. 2021).

    A text on which a step fails, such as a \\sqrt at its very end, is only stripped.
    """
    if answer is None:
        return None
    stripped = answer.strip()
    enclosed = _ENCLOSED.fullmatch(stripped)
    try:
        return _latex_form(enclosed[1].strip() if enclosed else stripped)
    except _Malformed:
        return stripped


def form_b(answer: str | None) -> str | None:
    """The plain-text normal form of PRM800K: without units, currency, LaTeX, blanks and braces."""
    if answer is None:
        return None
    enclosed = _ENCLOSED.fullmatch(answer)
    text = enclosed[1] if enclosed else answer
    text = re.sub(r"\\?[$%]", "", text)
    for word, instead in _WORDS.items():
        text = text.replace(word, instead)
    for unit in _UNITS:
        text = re.sub(rf"{unit}(?:es)?s? *(?:\^[0-9]+)?", "", text)
    text = re.sub(r"\^ *\\circ", "", text)
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = re.sub(r",\\! *", "", text)
    text = _whole(text, text) or text
    if "\\" in text:
        text = _plain(text)
    text = re.sub(r"- *", "-", text)
    text = re.sub(r"([0-9]) +([0-9])", r"\1+\2", text)  # mixed numbers
    text = re.sub(r"[ {}]", "", text).lower()
    return _whole(without_thousands(text), text.replace(",", "")) or text


def without_thousands(text: str) -> str:
    """A text without the commas in numbers like 1,234,567."""
    shorter = _THOUSANDS.sub(r"\1\2", text)
    return text if shorter == text else without_thousands(shorter)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number as Python reads it, thousands commas allowed."""
    return _whole(without_thousands(text), text.replace(",", "")) is not None


def _whole(test: str, number: str) -> str | None:
    """The digits of `number` when the float `test` is whole to seven places."""
    try:
        value = float(test)
        return str(round(float(number))) if abs(value - round(value)) <= 1e-7 else None
    except (ValueError, OverflowError):
        return None


def _plain(text: str) -> str:
    from pylatexenc.latex2text import LatexNodes2Text

    # A blank keeps "1\frac{1}{2}" from becoming "11/2".
    spaced = re.sub(r"\\[td]frac", r"\\frac", text).replace("\\frac", " \\frac")
    try:
        plain = LatexNodes2Text().latex_to_text(spaced)
    except Exception:  # the published grader goes on with the LaTeX, whatever went wrong
        return spaced
    for symbol, name in _SYMBOLS.items():
        plain = plain.replace(symbol, name)
    return plain.strip()


def _latex_form(text: str) -> str:
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    for dropped in ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"):
        text = text.replace(dropped, "")
    text = _without_unit(text).replace("\\%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    text = f"0{text}" if text.startswith(".") else text
    left, equals, right = text.partition("=")
    if equals and "=" not in right and len(left) <= 2:
        text = right
    text = _braced_fractions(_braced_roots(text).replace(" ", ""))
    return _slash_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _without_unit(text: str) -> str:
    before, *units = text.split("\\text{ ")
    if len(units) > 1:
        raise _Malformed
    return before


def _braced_roots(text: str) -> str:
    before, *roots = text.split("\\sqrt")
    if "" in roots:
        raise _Malformed
    return before + "".join(
        f"\\sqrt{root}" if root[0] == "{" else f"\\sqrt{{{root[0]}}}{root[1:]}" for root in roots
    )


def _braced_fractions(text: str) -> str:
    before, *fractions = text.split("\\frac")
    if "" in fractions:
        raise _Malformed
    if any(fraction[0] != "{" and len(fraction) < 2 for fraction in fractions):
        return text
    return before + "".join(f"\\frac{_braced_pair(fraction)}" for fraction in fractions)


def _braced_pair(arguments: str) -> str:
    if arguments[0] == "{":
        return arguments
    top, bottom, rest = arguments[0], arguments[1], arguments[2:]
    return f"{{{top}}}{{{rest}" if bottom == "{" else f"{{{top}}}{{{bottom}}}{rest}"


def _slash_fraction(text: str) -> str:
    found = re.fullmatch(r"(0|-?[1-9][0-9]*)/(0|-?[1-9][0-9]*)", text)
    return f"\\frac{{{found[1]}}}{{{found[2]}}}" if found else text
