"""The part of a response behind the model's thinking, and the flags of a response."""

from typing import NamedTuple

from cotsieve.answers.boxed import last_shallow_box

OPEN, CLOSE = "<think>", "</think>"
END = "<｜end▁of▁sentence｜>"
"""The end token of the distilled DeepSeek R1 models."""


class Response(NamedTuple):
    """What "From Reasoning to Answer" (Zhang et al. 2025, microsoft/ACV) reads from a response."""

    finished: bool
    """It ends with the end token."""
    parts: int
    """Pieces between closing tags; well formed is 2."""
    answer: str
    """The text behind the last closing tag; empty without one."""
    extracted: str | None
    """The last box of the answer with at most one level of braces inside, blanks kept."""

    @property
    def valid(self) -> bool:
        """Finished, well formed, and with something in the box."""
        return self.finished and self.parts == 2 and bool(self.extracted)


def read_response(text: str, end: str = END) -> Response:
    """The flags and the answer of a whole response, prompt and end token included."""
    answer = text.rpartition(CLOSE)[2] if CLOSE in text else ""
    return Response(text.endswith(end), text.count(CLOSE) + 1, answer, last_shallow_box(answer))


def visible(text: str) -> str:
    """What a reader sees of a text: all behind the last closing tag.

    Without a closing tag it is the whole text, and nothing when thinking was begun in it.
    """
    if CLOSE in text:
        return text.rpartition(CLOSE)[2]
    return "" if OPEN in text else text
