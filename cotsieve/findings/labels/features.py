"""What the built-in labeller sees of a sentence: words, shape, neighbours and place."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BITS = 14
"""Features are numbered by so many bits of a hash of their names."""
_WORD = re.compile(r"\\[A-Za-z]+|[A-Za-z']+|\d+(?:\.\d+)?|[^\sA-Za-z0-9]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPERATION = re.compile(r"[+*/^×÷]|\\times|\\cdot|\\frac| - ")
_EDGES = (0, 1, 2, 4, 7, 12, 20, 35)


def trace_features(sentences: Sequence[str]) -> list[NDArray[np.int64]]:
    """Numbers of the features of every sentence of a trace, each once, sorted."""
    around = [list(_brief(text)) for text in sentences]
    numbers: set[str] = set()
    words: list[set[str]] = []
    boxed, found = False, []
    for place, text in enumerate(sentences):
        names = [*_own(text), *_neighbours(around, place), *_place(place, len(sentences))]
        here, mine = set(_NUMBER.findall(text)), set(_words(text))
        names.append(f"new {min(len(here - numbers), 3)} {bool(here)}")
        names.append(f"old {min(len(here & numbers), 3)}")
        alike = (len(mine & other) / max(1, len(mine | other)) for other in words)
        names.append(f"repeats {int(5 * max(alike, default=0))}")
        names += ["boxed before"] * boxed
        found.append(np.unique([crc32(name.encode()) % (1 << BITS) for name in names]))
        boxed = boxed or "boxed" in text
        numbers |= here
        words.append(mine)
    return found


def _words(text: str) -> list[str]:
    found = _WORD.findall(text)
    return ["0" if w[0].isdigit() else w if w[0] == "\\" else w.lower() for w in found]


def _own(text: str) -> Iterator[str]:
    words = _words(text)
    yield from (f"1 {word}" for word in words)
    yield from (f"2 {one} {two}" for one, two in pairwise(words))
    yield from (f"3 {' '.join(three)}" for three in zip(words, words[1:], words[2:], strict=False))
    letters = [word for word in words if word[0].isalpha()]
    yield from (f"letters {one} {two}" for one, two in pairwise(letters))
    yield from (f"begins {' '.join(words[:count])}" for count in (1, 2, 3, 4))
    yield f"ends {' '.join(words[-2:])}"
    counts = {
        "words": len(words),
        "letters": len(letters),
        "numbers": len(_NUMBER.findall(text)),
        "operations": len(_OPERATION.findall(text)),
    }
    yield from (f"{name} {sum(count > edge for edge in _EDGES)}" for name, count in counts.items())
    equations = min(text.count("="), 3)
    yield f"equations {equations}"
    yield f"kind {min(equations, 2)} {counts['numbers'] > 0} {counts['operations'] > 0}"
    ends = text.rstrip()[-1:]
    signs = {"asks": ends == "?", "colon": ends == ":", "boxed": "boxed" in text}
    signs["display"] = "\\[" in text or "$$" in text
    yield from (name for name, there in signs.items() if there)


def _brief(text: str) -> Iterator[str]:
    """What neighbours see of a sentence."""
    words = _words(text)
    yield from (f"begins {' '.join(words[:count])}" for count in (1, 2, 3))
    shape = (min(text.count("="), 2), bool(_NUMBER.search(text)), "boxed" in text)
    yield f"shape {shape} {text.rstrip()[-1:]}"


def _neighbours(around: Sequence[Sequence[str]], place: int) -> Iterator[str]:
    for step in (-2, -1, 1, 2):
        other = place + step
        seen = around[other] if 0 <= other < len(around) else ["none"]
        yield from (f"{step}: {name}" for name in seen)


def _place(place: int, count: int) -> Iterator[str]:
    yield f"from start {min(place, 6)}"
    yield f"to end {min(count - 1 - place, 6)}"
    yield f"share {10 * place // max(1, count - 1)}"
