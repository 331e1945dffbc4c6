"""Where the sentences of a trace lie: characters and tokens of its thought."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cotsieve.interventions.sentences import sentences, thinking_span

_BROKEN = "\ufffd"
"""How the first bytes of a character are shown before the others come."""


class Place(NamedTuple):
    """A sentence of a thought, without the white space around it."""

    text: str
    start: int
    """Of its first character in the thought."""
    end: int
    """Behind its last character."""
    first_token: int | None
    """All tokens before this one end before the sentence starts."""
    end_token: int | None
    """Behind the last token that holds some of it."""


def placed(thought: str) -> list[Place]:
    """The sentences of a thought of which only the text is known."""
    span = thinking_span(thought)
    return [
        Place(found.text, span.start + found.start, span.start + found.end, None, None)
        for found in sentences(thought[span])
    ]


def placed_tokens(ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> list[Place]:
    """The sentences of a thought written as these tokens; `text_of` is their tokenizer."""
    ends = text_ends(ids, text_of)
    found, token = [], 0
    for place in placed(text_of(ids)):
        while token < len(ends) and ends[token] <= place.start:
            token += 1
        last = token
        while last < len(ends) and ends[last] < place.end:
            last += 1
        found.append(place._replace(first_token=token, end_token=min(last + 1, len(ends))))
    return found


def first_sentence(response: str, windows: Sequence[int] = (400, 4000)) -> str | None:
    """The first sentence of what a response thinks, or of a response that does not; None if blank.

    Looked for in the first characters before the whole text is split: it is sure once two follow.
    """
    for window in windows:
        start = response[:window]
        found = sentences(start[thinking_span(start)])
        if len(found) > 2 and window < len(response):
            return found[0].text
    found = sentences(response[thinking_span(response)])
    return found[0].text if found else None


def text_ends(ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> list[int]:
    """For every token how long the text is with it; one more where a character is not complete.

    Read a few tokens at a time, with some before them, as tokenizers may drop a blank in front.
    """
    ends: list[int] = []
    length = before = start = 0
    for place in range(1, len(ids) + 1):
        known, longer = text_of(ids[before:start]), text_of(ids[before:place])
        if longer.endswith(_BROKEN):
            ends.append(length + 1)
            continue
        length += len(longer) - len(known)
        ends.append(length)
        before, start = start, place
    return ends
