"""Decode JSON rows, noting what JSON readers usually let pass."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MOST_DIGITS = 4300
"""Python's own limit on the digits of an integer read from text."""

BLANKS = b" \t\r\n"
"""White space between JSON values."""

_BLANK = re.compile(r"[ \t\n\r]*")


class Note(NamedTuple):
    """One thing wrong with a row: what was found, and how to mend it."""

    what: str
    mend: str


class Decoded(NamedTuple):
    """One row of a file, counted from 0; `value` may be used only when `notes` is empty."""

    row: int
    value: object
    notes: list[Note]


def decode_lines(data: bytes, first: int = 0) -> Iterator[Decoded]:
    """The rows of JSON lines, the first of which has the number `first`.

    A bad line does not hide the ones after it.
    """
    decoder = _Decoder()
    for row, line in enumerate(data.rstrip(BLANKS).split(b"\n"), first):
        value = None
        try:
            value = decoder.decode(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            decoder.notes.append(not_utf8(error))
        except json.JSONDecodeError as error:
            what = f"invalid JSON: {error.msg} at column {error.colno}"
            decoder.notes.append(Note(what, "Each line must be one complete object."))
        except RecursionError:
            decoder.notes.append(_TOO_DEEP)
        yield Decoded(row, value, decoder.taken_notes() if decoder.notes else [])


def decode_array(text: str) -> Iterator[Decoded]:
    """The rows of one JSON array; invalid JSON ends the rows with a note about where it stands."""
    decoder = _Decoder()
    row, at = 0, _after_blanks(text, 0)
    try:
        at, more = _next_item(text, at, "[")
        while more:
            value, at = decoder.raw_decode(text, at)
            yield Decoded(row, value, decoder.taken_notes())
            row += 1
            at, more = _next_item(text, _after_blanks(text, at), ",")
        if _after_blanks(text, at + 1) < len(text):
            raise json.JSONDecodeError("Text after the end of the array", text, at + 1)
    except json.JSONDecodeError as error:
        what = f"invalid JSON at line {error.lineno} column {error.colno}: {error.msg}"
        yield Decoded(row, None, [Note(what, "The file must be one complete array of objects.")])
    except RecursionError:
        yield Decoded(row, None, [_TOO_DEEP])


def not_utf8(error: UnicodeDecodeError) -> Note:
    """The note for text that is not UTF-8."""
    byte = error.object[error.start]
    return Note(f"byte 0x{byte:02x} is not UTF-8", "Save the file as UTF-8.")


def repeated(names: Iterable[str]) -> list[str]:
    """Those that occur more than once, in order."""
    return [name for name, count in Counter(names).items() if count > 1]


def listed(words: Iterable[str], most: int = 10) -> str:
    """Words for a message, each of at most some 60 characters; those beyond `most` are counted."""
    words = list(words)
    told = [word if len(word) <= 60 else f"{word[:59]}…" for word in words[:most]]
    rest = len(words) - most
    return ", ".join(told) + (f" and {rest:,} more" if rest > 0 else "")


_TOO_DEEP = Note("the JSON is nested too deeply", "Write flat objects.")


class _Decoder(json.JSONDecoder):
    def __init__(self) -> None:
        super().__init__(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_float=self._float,
            parse_int=self._int,
        )
        self.notes: list[Note] = []

    def taken_notes(self) -> list[Note]:
        notes, self.notes = self.notes, []
        return notes

    def _object(self, pairs: list[tuple[str, object]]) -> dict:
        row = dict(pairs)
        if len(row) < len(pairs):
            twice = listed(map(repr, repeated(key for key, _ in pairs)))
            self.notes.append(Note(f"repeated key {twice}", "Keep one of each."))
        return row

    def _constant(self, word: str) -> None:
        self.notes.append(Note(f"{word} is not a JSON number", "Write a finite number or null."))

    def _float(self, digits: str) -> float:
        value = float(digits)
        if math.isinf(value):
            what = f"the number {digits[:40]} is too large"
            self.notes.append(Note(what, "Write it as an integer or as text."))
        return value

    def _int(self, digits: str) -> int:
        if len(digits) <= MOST_DIGITS:
            return int(digits)
        what = f"a number of {len(digits)} characters"
        self.notes.append(Note(what, f"Numbers may have at most {MOST_DIGITS} digits."))
        return 0


def _after_blanks(text: str, at: int) -> int:
    return _BLANK.match(text, at).end()


def _next_item(text: str, at: int, before: str) -> tuple[int, bool]:
    """Where the next item starts, and whether there is one, after `before` ("[" or ",")."""
    if before == "," and text.startswith("]", at):
        return at, False
    if not text.startswith(before, at):
        expected = "Expecting '['" if before == "[" else "Expecting ',' or ']'"
        raise json.JSONDecodeError(expected, text, at)
    at = _after_blanks(text, at + 1)
    return at, before == "," or not text.startswith("]", at)
