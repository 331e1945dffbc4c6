"""Formulas in texts, as MathML, which browsers show without any script or font of ours."""

import html
import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

DELIMITED = "|".join(
    [
        r"\$\$[\s\S]{1,4000}?\$\$",
        # None holds its own opening sign, so that many which are never closed take no time.
        r"\\\[(?:(?!\\\[)[\s\S]){1,4000}?\\\]",
        r"\\\((?:(?!\\\()[\s\S]){1,4000}?\\\)",
        r"\\begin\{(?:align|equation|gather|eqnarray)\*?\}"
        r"(?:(?!\\begin\{(?:align|equation|gather|eqnarray))[\s\S]){1,4000}?\\end\{[a-z]+\*?\}",
        # An amount of money is no formula: a closing sign follows no blank and precedes no digit.
        # A sign behind a backslash opens none, unless that is behind a backslash itself.
        r"(?<!(?<!\\)\\)\$(?=\S)(?:\\[\s\S]|[^$\\]){0,4000}?(?:\\[\s\S]|[^\s$\\])\$(?!\d)",
        r"(?<!(?<!\\)\\)\$\s(?=[^$]{0,4000}\\)(?:\\[\s\S]|[^$\\]){1,4000}?\$(?!\d)",
        r"\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,4000}\}){0,4000}\}){0,4000}\}",
    ]
)
"""Where formulas stand in a text; the same pattern serves Python and the page's script."""

_FORMULA = re.compile(DELIMITED)
LONGEST = 4_000
"""Characters of a formula; what is longer is a mistake in the text and is left as it is."""
_DRAWING = re.compile(r"\[asy\]|\\includegraphics|\\begin\{tikz")

_TAGS = frozenset(
    {
        "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub",
        "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle",
        "mpadded", "mphantom", "menclose", "mmultiscripts", "mprescripts", "none",
    }
)  # fmt: skip
_ATTRIBUTES = frozenset(
    {
        "accent", "accentunder", "columnalign", "columnlines", "columnspacing", "depth", "display",
        "displaystyle", "fence", "form", "height", "largeop", "linethickness", "lspace",
        "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rowlines", "rowspacing",
        "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset", "width",
    }
)  # fmt: skip
"""What may be kept of an element. Texts of models are foreign: no links, styles or handlers."""


def formulas(texts: Iterable[str | None]) -> dict[str, str]:
    """Every formula of the texts, delimiters included, and its MathML; in order of appearance.

    What cannot be converted is left out: a page then shows it as it is written.
    """
    found: dict[str, str] = {}
    for text in texts:
        if not text or ("$" not in text and "\\" not in text):
            continue
        for match in _FORMULA.finditer(text):
            formula = match.group()
            if formula not in found:
                found[formula] = mathml(formula)
    return {formula: converted for formula, converted in found.items() if converted}


def mathml(formula: str) -> str:
    """A formula with its delimiters as a `math` element; empty where it cannot be converted."""
    if len(formula) > LONGEST or _DRAWING.search(formula):
        return ""
    display = formula.startswith(("$$", "\\[", "\\begin"))
    try:
        return _written(
            convert_to_element(_bare(formula), display="block" if display else "inline")
        )
    except Exception:  # whatever it cannot read, or is nested too deeply, is shown as text instead
        return ""


def _bare(formula: str) -> str:
    for start, end in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if formula.startswith(start) and formula.endswith(end):
            return formula[len(start) : -len(end)].strip()
    return formula


def _written(element: Element) -> str:
    tag = element.tag.rpartition("}")[2]
    if tag not in _TAGS:
        tag = "mrow"
    children = [_written(child) for child in element]
    text = html.escape(html.unescape(element.text or ""), quote=False)
    attributes = "".join(
        f' {name}="{html.escape(str(value))}"'
        for name, value in sorted(element.attrib.items())
        if name in _ATTRIBUTES and not (name == "display" and value == "inline")
    )
    if tag == "mrow" and len(children) == 1 and not attributes and not text:
        return children[0]
    return f"<{tag}{attributes}>{text}{''.join(children)}</{tag}>"
