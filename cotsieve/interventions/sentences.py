"""The sentences of a thought, with exact places: the splitter of "Thought Anchors".

The rule is that of the published dataset (Bogdan et al. 2025, uzaymacar/math-rollouts), which keeps
what follows the last sentence end. It knows nothing of abbreviations, lists or LaTeX: a decimal
point survives only because no blank follows it.
"""

import re
from typing import NamedTuple

SHORTEST = 10
"""Shorter sentences join their successor; a short last one joins its predecessor."""

_END = re.compile(r"\n(?=\n)|\r(?=\n\r\n)|[.?!](?=[ \n])")


class Sentence(NamedTuple):
    """A sentence without the white space around it."""

    start: int
    """Of its first character in the text."""
    end: int
    """Behind its last character."""
    text: str
    """As published: text[start:end], but one blank between short pieces that were joined."""


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text in order; nothing but white space lies between them.

    A sentence ends before a blank line, and at . ? or ! before a space or a line end. Tags are
    not looked for: give the part of a response that `thinking_span` tells.
    """
    found = []
    start = 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        piece = text[start:end].strip()
        if piece:
            first = text.index(piece, start)
            found.append(Sentence(first, first + len(piece), piece))
        start = end
    return _merged(found)


def thinking_span(text: str, think_open: str = "<think>", think_close: str = "</think>") -> slice:
    """The part of a response that is split: trimmed, up to the first closing tag.

    It begins behind the first opening tag and ends before a second one; without an opening tag it
    begins with the text.
    """
    start = text.find(think_open) + len(think_open) if think_open in text else 0
    thought = text[start:].partition(think_open)[0].strip().partition(think_close)[0].strip()
    start = text.index(thought, start)
    return slice(start, start + len(thought))


def _merged(pieces: list[Sentence]) -> list[Sentence]:
    done: list[Sentence] = []
    waiting: Sentence | None = None
    for piece in pieces:
        piece = _joined(waiting, piece) if waiting else piece
        waiting = piece if len(piece.text) < SHORTEST else None
        if waiting is None:
            done.append(piece)
    if waiting:
        done[-1:] = [_joined(done[-1], waiting) if done else waiting]
    return done


def _joined(first: Sentence, second: Sentence) -> Sentence:
    return Sentence(first.start, second.end, f"{first.text} {second.text}")
