"""What a model wrote, parted into reasoning and answer at its closing tag, wherever tokens end.

Tags are looked for in the text. Where a tokenizer has no token for `</think>`, its last token may
hold the line end behind it, and its first one the sign before it; and where the tag is a control
token, the text that readers see does not hold it. So the text is taken with its tags and mapped
back to tokens; of a token that holds more than a part of the tag, the rest is encoded anew.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, NamedTuple

from cotsieve.weights.tokenizer import control_ids, decode

Ids = tuple[int, ...]
Encode = Callable[[str], list[int]]
"""Token ids of text that holds no tags."""

BROKEN = "\ufffd"
"""What the bytes of a character that are no whole one are decoded to."""


class Written(NamedTuple):
    """What was written behind the opening tag."""

    text: str
    """With its tags, also where they are control tokens; without all other control tokens."""
    closings: int
    """How often the closing tag stands in it."""
    reasoning: Ids
    """What stands before the first closing tag; all of it where there is none."""
    answer: Ids | None
    """What stands behind the last one; None where there is none."""
    answer_text: str | None


class Tags:
    """The tags around a thought, as one tokenizer writes and reads them."""

    def __init__(self, tokenizer: Any, opening: str, closing: str):
        self._tokenizer = tokenizer
        self._closing = closing
        close, control = self.ids(closing), control_ids(tokenizer)
        self._token = close[0] if len(close) == 1 else None
        of_tags = control.intersection((*self.ids(opening), *close))
        self._hidden = control - of_tags if of_tags else None

    def ids(self, tag: str) -> Ids:
        """A tag as it stands in a prompt."""
        return tuple(self._tokenizer(tag, add_special_tokens=False, verbose=False)["input_ids"])

    def text(self, ids: Ids) -> str:
        """The text of what was written, with its tags."""
        if self._hidden is None:
            return decode(self._tokenizer, ids)
        told = [token for token in ids if token not in self._hidden]
        return decode(self._tokenizer, told, control=True)

    def parted(self, ids: Ids, encode: Encode) -> Written:
        """Reasoning and answer of what was written; `encode` reads what is left of a token."""
        text = self.text(ids)
        closings = text.count(self._closing)
        if not closings:
            return Written(text, 0, ids, None, None)
        first, last = text.find(self._closing), text.rfind(self._closing) + len(self._closing)
        if self._token is not None and ids.count(self._token) == closings:
            end, start = ids.index(self._token), len(ids) - ids[::-1].index(self._token)
            return Written(text, closings, ids[:end], ids[start:], text[last:])
        reasoning = self._until(ids, text, first, encode)
        answer = self._from(ids, text, last, encode)
        return Written(text, closings, reasoning, answer, text[last:])

    def _until(self, ids: Ids, text: str, at: int, encode: Encode) -> Ids:
        """The tokens of `text[:at]`."""
        place = self._first_with(ids, at)
        while not text.startswith(shown := self.text(ids[:place])) or len(shown) > at:
            place -= 1  # it holds a part of the tag, or ends within a character
        return (*ids[:place], *_encoded(text[len(shown) : at], encode))

    def _from(self, ids: Ids, text: str, at: int, encode: Encode) -> Ids:
        """The tokens of `text[at:]`."""
        place = self._first_with(ids, at)
        while not text.startswith(shown := self.text(ids[:place])):
            place += 1  # it ends within a character
        return (*_encoded(text[at : len(shown)], encode), *ids[place:])

    def _first_with(self, ids: Ids, size: int) -> int:
        """How many tokens have `size` characters of text, or more, for the first time."""
        return bisect_left(range(len(ids)), size, key=lambda count: self._whole(ids[:count]))

    def _whole(self, ids: Ids) -> int:
        """Characters of the text of `ids` that later tokens cannot change."""
        return len(self.text(ids).rstrip(BROKEN))


def _encoded(text: str, encode: Encode) -> list[int]:
    return encode(text) if text else []
