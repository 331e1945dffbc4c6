"""The parts of a text with reasoning, and the shares of attention between them.

After "From Reasoning to Answer" (EMNLP 2025), section 4: begin token, prompt, opening tag,
reasoning, closing tag, answer. The last token, which ends a finished text, belongs to none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.inside.cells import Range, shares
from cotsieve.ground.faults import bad

PARTS = ("bos", "p", "bot", "r", "eot", "a")
FROM_ANSWER = tuple(f"a2{part}" for part in PARTS)
FROM_REASONING = tuple(f"r2{part}" for part in PARTS[:4])
SHARES = FROM_ANSWER + FROM_REASONING
"""The ten tables: attention from the answer or the reasoning to a part."""
SPLITS = 5


class Split(NamedTuple):
    """A stretch of text cut as reasoning and answer are, but anywhere."""

    source: Range
    """Its later part, which looks;"""
    target: Range
    """the earlier, which is looked at."""


@dataclass(frozen=True)
class Parts:
    """Where the tags of a text of `length` tokens lie."""

    open: Range
    close: Range
    length: int
    answer: tuple[float, float] = (0.0, 1.0)
    """Which part of the answer's tokens looks, as shares of their number."""

    def __post_init__(self):
        if not 0 < self.open[0] < self.open[1] <= self.close[0] < self.close[1] <= self.length:
            where = f"opening tag at {self.open}, closing tag at {self.close}"
            what = f"{where} of {self.length} tokens; reasoning stands between them"
            raise bad("a trace", what, "Leave it out: it has no reasoning that ended.")

    def ranges(self) -> dict[str, Range]:
        """Name of a part → its tokens."""
        (start, thought), (end, answer) = self.open, self.close
        last = max(answer, self.length - 1)
        found = [(0, 1), (1, start), self.open, (thought, end), self.close, (answer, last)]
        return dict(zip(PARTS, found, strict=True))

    def looking(self) -> Range:
        """The tokens of the answer that look."""
        first, last = self.ranges()["a"]
        low, high = (int((last - first) * share) for share in self.answer)
        return first + low, first + high

    def splits(self) -> list[Split]:
        """The baseline: the text from the opening tag to five cuts, each parted as the whole is."""
        start, end = self.open[0], self.close[0]
        first, last = self.ranges()["a"]
        found = []
        for cut in np.linspace(start, self.length - 1, SPLITS + 1, dtype=int)[1:].tolist():
            middle = start + (cut - start) * (end - start) // (end - start + last - first)
            found.append(Split((middle, cut), (start, middle)))
        return found

    def all_ranges(self) -> list[Range]:
        """All ranges that `part_shares` and `split_shares` ask for."""
        split = [part for one in self.splits() for part in one]
        return [*self.ranges().values(), self.looking(), *split]


def part_shares(sums: Tensor, parts: Parts, edges: Sequence[int]) -> dict[str, Tensor]:
    """Name of a table → attention of one layer's heads, (H,) float32.

    NaN where nothing looks, 0 where there is nothing to look at.
    """
    ranges = parts.ranges()
    found = shares(sums, [parts.looking(), ranges["r"]], list(ranges.values()), edges)
    return dict(zip(FROM_ANSWER, found[:, 0].unbind(1), strict=True)) | dict(
        zip(FROM_REASONING, found[:, 1].unbind(1), strict=False)
    )


def split_shares(sums: Tensor, parts: Parts, edges: Sequence[int]) -> Tensor:
    """Of every split the attention to its target, to itself and to the prompt, (H, splits, 3)."""
    found = [
        shares(sums, [split.source], [split.target, split.source, (1, parts.open[0])], edges)[:, 0]
        for split in parts.splits()
    ]
    return torch.stack(found, 1)


def per_token(found: dict[str, float], parts: Parts) -> dict[str, float]:
    """Shares from the answer divided by the tokens looked at; those of the future count, too."""
    sizes = {name: last - first for name, (first, last) in parts.ranges().items()}
    return {
        name: found[name] / sizes[name[2:]] if sizes[name[2:]] else float("nan")
        for name in FROM_ANSWER
    }
