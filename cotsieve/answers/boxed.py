"""What stands in the \\boxed{...} of a text."""

import re

_TOKEN = re.compile(r"(?P<open>\\(?:boxed|fbox)\s*+\{)|\\.|(?P<brace>[{}])", re.DOTALL)
_ONE_LEVEL = re.compile(r"\\boxed\{((?:[^{}]++|\{[^{}]*+\})*+)\}")


def boxes(text: str) -> list[str]:
    """The contents of all closed \\boxed{...} and \\fbox{...}, in the order in which they open.

    Blanks may stand before the brace; escaped braces are not counted. The time is proportional to
    the length of the text.
    """
    found: list[tuple[int, int, int]] = []
    open_braces: list[tuple[int, int] | None] = []
    for token in _TOKEN.finditer(text):
        if token["open"]:
            open_braces.append((token.start(), token.end()))
        elif token["brace"] == "{":
            open_braces.append(None)
        elif token["brace"] and open_braces:
            box = open_braces.pop()
            if box:
                found.append((*box, token.start()))
    return [text[start:end] for _, start, end in sorted(found)]


def last_box(text: str) -> str | None:
    """The content of the last closed box, which may be empty; None when there is none."""
    found = boxes(text)
    return found[-1] if found else None


def last_filled_box(text: str) -> str | None:
    """The content of the last closed box that is not blank, without blanks around it."""
    filled = (content.strip() for content in reversed(boxes(text)))
    return next((content for content in filled if content), None)


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
