"""An answer in parts: lists, tuples, sets, intervals, vectors and matrices.

A text is split at the commas that stand in no bracket; what is in brackets is split in its turn.
What is only said of the letters of an answer is told apart.
"""

import re
from typing import NamedTuple

_OPEN = ("(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin")
_CLOSE = (")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end")
_MARK = re.compile(r"\\[A-Za-z]+|\\.|[()\[\]{}]|[,;]|\\text\{(?:and|or|&)\}", re.DOTALL)
_AND = re.compile(
    r"[,;]? ?\\text\{(?:and|or|as well as|y|und|et|和|或)\}|[,;]? (?:and|or) |[,;]? ?\\lor(?![a-z])"
    r"|[;,] ?\\quad"
)
_MATRIX = re.compile(
    r"[(\[]? ?\\begin\{(?P<kind>[pbBvV]?matrix|smallmatrix|array)\*?\}(?: ?\{[clr| ]*\})?"
    r"(?P<cells>(?:(?!\\begin).)*)\\end\{(?:[pbBvV]?matrix|smallmatrix|array)\*?\} ?[)\]]?",
    re.DOTALL,
)
_FRENCH = re.compile(
    r"([\[\]])([^][(){},;]+|[^][(){},;]*\{[^{}]*\}[^][(){},;]*)[,;]([^][(),;]+)([\[\]])"
)
_QUALIFIER = re.compile(
    r"(?:\\text\{[^{}]*\} ?)?[a-zA-Z](?: ?, ?[a-zA-Z])* ?(?:\\in ?\\mathbb ?\{?[ZNRQC]\}?"
    r"(?: ?[\^_] ?\{?[^{}\\]{1,6}\}?)?|\\ne ?-?[0-9]+|\\text\{is [^{}]*\})"
    r"|\\text\{ ?(?:for|where|with|when)[^{}]*\}.{0,60}"
)
_CONDITION = re.compile(
    r"(?P<what>[^,;]+?) (?P<letters>\\text\{ ?\(?(?:for|where|with)(?: [^{}]*)?\}.{0,60})",
    re.DOTALL,
)
_SUCH_THAT = re.compile(
    r"\\\{ ?\(?(?P<letters>[a-z](?: ?, ?[a-z])*)\)? ?(?:\\in ?\\mathbb\{R\})?"
    r" ?(?:\||:) ?(?P<rule>.+) ?\\\}"
)
_PM = re.compile(r"\\(?:pm|mp)(?![a-z])")
_DEEPEST = 30


class Group(NamedTuple):
    """Several parts, or one in curly brackets."""

    kind: str
    """list, set, vector, matrix, row, or the two brackets of a tuple or an interval, as in (]."""
    items: tuple["Group | str", ...]
    text: str


Part = Group | str


def parts(text: str, depth: int = 0) -> Part:
    """The structure of a text; the text itself when it is one expression."""
    text = _unwrapped(text.strip())
    if depth > _DEEPEST:
        return text
    pieces = _split(_AND.sub(" , ", text))
    if len(pieces) > 1:
        return Group("list", tuple(parts(piece, depth + 1) for piece in pieces), text)
    return _bracketed(pieces[0] if pieces else text, depth)


def items(part: Part) -> tuple[Part, ...]:
    """The parts of a group; of anything else, itself."""
    return part.items if isinstance(part, Group) else (part,)


def text_of(part: Part) -> str:
    """The text of a part."""
    return part.text if isinstance(part, Group) else part


def without_conditions(text: str) -> tuple[Part, str]:
    """The parts of an answer, and what is said of its letters, as in k \\in \\mathbb{Z}."""
    rule = _SUCH_THAT.fullmatch(text)
    condition = _CONDITION.fullmatch(text)
    if condition:
        return parts(condition["what"]), re.sub(r"\\text\{[^{}]*\}| ", "", condition["letters"])
    part = parts(rule["rule"] if rule else text)
    if not isinstance(part, Group) or part.kind != "list":
        return part, ""
    rest = [item for item in part.items if _QUALIFIER.fullmatch(text_of(item))]
    kept = tuple(item for item in part.items if item not in rest)
    if not kept:
        return part, ""
    said = " ".join(text_of(item).replace(" ", "") for item in rest)
    return (Group("list", kept, part.text) if len(kept) > 1 else kept[0]), said


def values_of(part: Part) -> list[Part]:
    """A part with one plus-minus as its two values."""
    if isinstance(part, Group) or len(_PM.findall(part)) != 1:
        return [part]
    return [_PM.sub(sign, part).removeprefix("+").strip() for sign in ("+", "-")]


def _bracketed(text: str, depth: int) -> Part:
    matrix = _MATRIX.fullmatch(text)
    if matrix and not matrix["kind"].startswith(("v", "V")):
        return _matrix(matrix["cells"], text, depth)
    french = _FRENCH.fullmatch(text)
    if french and (french[1], french[4]) != ("[", "]"):
        kind = ("[" if french[1] == "[" else "(") + ("]" if french[4] == "]" else ")")
        return Group(kind, (french[2].strip(), french[3].strip()), text)
    brackets = _around(text)
    if not brackets:
        return text
    opening, closing = brackets
    inside = text[len(opening) : -len(closing)].strip()
    pieces = _split(_AND.sub(" , ", inside))
    if opening == r"\{":
        return Group("set", tuple(parts(piece, depth + 1) for piece in pieces), text)
    if len(pieces) < 2:
        whole = (opening, closing) in (("(", ")"), ("[", "]"), ("{", "}"))
        return parts(inside, depth + 1) if whole and inside else text
    kind = "vector" if opening == r"\langle" else opening + closing
    return Group(kind, tuple(parts(piece, depth + 1) for piece in pieces), text)


def _matrix(cells: str, text: str, depth: int) -> Group:
    rows = [row for row in re.split(r"\\\\(?:\[[0-9a-z.]*\])?|\\cr(?![a-z])", cells) if row.strip()]
    split = [
        Group("row", tuple(parts(cell, depth + 1) for cell in row.split("&")), row) for row in rows
    ]
    return Group("matrix", tuple(split), text)


def _around(text: str) -> tuple[str, str] | None:
    """The brackets that enclose a whole text, each of which may be of any kind."""
    marks = [mark for mark in _MARK.finditer(text) if mark[0] in _OPEN or mark[0] in _CLOSE]
    if not marks or marks[0].start() or marks[-1].end() != len(text):
        return None
    depth = 0
    for mark in marks:
        depth += 1 if mark[0] in _OPEN else -1
        if depth <= 0 and mark is not marks[-1]:
            return None
    opening, closing = marks[0][0], marks[-1][0]
    return (
        None
        if depth or (opening[1:2] in ("b", "l") and opening != r"\langle")
        else (opening, closing)
    )


def _split(text: str) -> list[str]:
    """The pieces between commas and semicolons outside of all brackets, without empty ones."""
    pieces, depth, start = [], 0, 0
    for mark in _MARK.finditer(text):
        if mark[0] in _OPEN:
            depth += 1
        elif mark[0] in _CLOSE:
            depth -= 1
        elif mark[0] in ",;" and depth == 0:
            pieces.append(text[start : mark.start()])
            start = mark.end()
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _unwrapped(text: str) -> str:
    while _around(text) == ("{", "}"):
        text = text[1:-1].strip()
    return text
