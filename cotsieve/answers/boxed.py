"""What stands in the \\boxed{...} of a text."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<open>\\(?:boxed|fbox)\s*+\{)"
    r"|\\(?:boxed|fbox)(?![A-Za-z])\s*+(?P<bare>[^\s\\{}$]|\\[A-Za-z]++|\\.)"
    r"|\\.|(?P<brace>[{}])",
    re.DOTALL,
)
_ARGUMENT = re.compile(r"\s*+(?:\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}|[^\s\\{}])")
_ARGUMENTS = {r"\frac": 2, r"\dfrac": 2, r"\tfrac": 2, r"\sqrt": 1, r"\text": 1, r"\mathrm": 1}
_ONE_LEVEL = re.compile(r"\\boxed\{((?:[^{}]++|\{[^{}]*+\})*+)\}")
_LINK = re.compile(
    r"[\s$,;.*]*(?:\\[()\[\]]\s*)?(?:and|or|,|;|y|und|et|和)\s*(?:\\[()\[\]]\s*)?[$\s*]*"
    r"(?:[A-Za-z](?:_\{?\w\}?)?\s*=\s*)?(?:\\[()\[\]]\s*)?[$\s*]*"
)
_NAMED = re.compile(
    r"\b(?:in|within|inside|into|using|with|of|the|a|format|notation)\W{0,6}$", re.I
)
_LONGEST_LINK = 40


class Box(NamedTuple):
    """Where a box stands in a text."""

    start: int
    inside: int
    end: int
    """The place behind its content; that of the whole text when it is never closed."""
    closed: bool = True


def boxes(text: str) -> list[str]:
    """The contents of all closed \\boxed{...} and \\fbox{...}, in the order in which they open.

    Blanks may stand before the brace; escaped braces are not counted. A box without braces holds
    one sign or one command with its arguments, as in TeX: \\boxed 4, \\boxed\\frac12. The time is
    proportional to the length of the text.
    """
    return [text[box.inside : box.end] for box in _places(text) if box.closed]


def _places(text: str) -> list[Box]:
    found: list[Box] = []
    open_braces: list[tuple[int, int] | None] = []
    for token in _TOKEN.finditer(text):
        if token["open"]:
            open_braces.append((token.start(), token.end()))
        elif token["bare"]:
            found.append(Box(token.start(), token.start("bare"), _end_of_bare(text, token)))
        elif token["brace"] == "{":
            open_braces.append(None)
        elif token["brace"] and open_braces:
            box = open_braces.pop()
            if box:
                found.append(Box(*box, token.start()))
    left = [Box(*box, len(text), False) for box in open_braces if box]
    return sorted(found + left)


def _end_of_bare(text: str, token: re.Match[str]) -> int:
    end = token.end()
    for _ in range(_ARGUMENTS.get(token["bare"], 0)):
        argument = _ARGUMENT.match(text, end, end + 300)
        end = argument.end() if argument else end
    digits = re.compile(r"[0-9]{0,30}").match(text, end) if token["bare"].isdigit() else None
    return digits.end() if digits else end


def last_box(text: str) -> str | None:
    """The content of the last closed box, which may be empty; None when there is none."""
    found = boxes(text)
    return found[-1] if found else None


def final_boxes(text: str) -> str | None:
    """What the last box of a text holds, without blanks around it; None without an answer there.

    Boxes that only a comma, "and" or "or" parts are one answer. A last box that is empty or never
    closed is none, and what stood in boxes before it was left; but an empty one that is only named,
    as in "in \\boxed{}", is passed over.
    """
    places = _places(text)
    while places and _is_only_named(text, places[-1]):
        places.pop()
    outer = _outermost(places)
    if not outer or not outer[-1].closed or not text[outer[-1].inside : outer[-1].end].strip():
        return None
    together = [outer[-1]]
    for box in reversed(outer[:-1]):
        between = text[_behind(text, box) : together[0].start]
        if len(between) > _LONGEST_LINK or not _LINK.fullmatch(between) or not box.closed:
            break
        together.insert(0, box)
    contents = dict.fromkeys(text[box.inside : box.end].strip() for box in together)
    return ", ".join(filter(None, contents))


def _behind(text: str, box: Box) -> int:
    return box.end + (text[box.end : box.end + 1] == "}")


def _outermost(places: list[Box]) -> list[Box]:
    """The boxes that stand in no closed box; what an open one holds counts as outside."""
    outer: list[Box] = []
    for box in places:
        if not outer or not outer[-1].closed or box.start >= outer[-1].end:
            outer.append(box)
    return outer


def _is_only_named(text: str, box: Box) -> bool:
    empty = box.closed and not text[box.inside : box.end].strip()
    return empty and bool(_NAMED.search(text[max(0, box.start - 30) : box.start]))


def last_shallow_box(text: str) -> str | None:
    """The content of the last \\boxed{...} with at most one level of braces inside.

    The rule of "From Reasoning to Answer" (Zhang et al. 2025, microsoft/ACV): deeper boxes,
    \\fbox and a blank before the brace are not seen; the content keeps its blanks and may be empty.
    """
    found = _ONE_LEVEL.findall(text)
    return found[-1] if found else None


def first_box(text: str) -> str | None:
    """The content of the first \\boxed{...} that is not empty; an open one reaches to the end.

    The rule of "Thought Anchors" (Bogdan et al. 2025): no blank before the brace, and escaped
    braces count as braces.
    """
    for place in re.finditer(r"\\boxed\{", text):
        content = _until_closed(text, place.end())
        if content:
            return content
    return None


def _until_closed(text: str, start: int) -> str:
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : brace.start()]
    return text[start:]
