"""What is taken of attention while a text is read: sums over cells, or the share that hits.

Cells are stretches of tokens between edges: with the edges of parts and sentences among them, the
attention between any of these is a sum of cells, so that one reading serves all.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.inside.weights import Weights

Range = tuple[int, int]
"""Tokens from the first up to the second, which is not one of them."""


class Taker(Protocol):
    """What is taken of each layer's attention; a layer ends with `taken`."""

    def add(self, weights: Weights, first: int) -> None:
        """Take of a block of queries of one row, which begins at token `first`."""

    def taken(self) -> Tensor:
        """What came of a layer, (H, …) float32; the next one begins."""


class Cells:
    """Sums of attention: cell c holds the tokens from edge c up to edge c + 1."""

    def __init__(self, edges: Sequence[int], heads: int, device: torch.device):
        """`edges` rise from 0 to the length of the text."""
        sizes = torch.tensor(edges, device=device).diff()
        self._of = torch.arange(len(sizes)).repeat_interleave(sizes.cpu()).tolist()
        places = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
        self._membership = F.one_hot(places, len(sizes)).float()
        self._empty = torch.zeros(heads, len(sizes), len(sizes), device=device)
        self._sums = self._empty.clone()

    def add(self, weights: Weights, first: int) -> None:
        """Sums over queries first, which are few cells of a block."""
        raw, scale = weights.raw[0].float(), weights.scale[0].float()
        queries, keys = raw.shape[1:]
        lowest, highest = self._of[first], self._of[first + queries - 1] + 1
        chosen = self._membership[first : first + queries, lowest:highest]
        by_query = (scale * chosen).transpose(1, 2) @ raw
        self._sums[:, lowest:highest] += by_query @ self._membership[:keys]

    def taken(self) -> Tensor:
        """(H, queries' cell, keys' cell); divide by a cell's queries for a mean over them."""
        sums, self._sums = self._sums, self._empty.clone()
        return sums


class Hits:
    """The part of a layer's attention that goes to marked keys."""

    def __init__(self, marked: Tensor):
        """`marked`: (T, T) bool, queries by keys."""
        self._marked = marked
        self._found: Tensor | float = 0.0

    def add(self, weights: Weights, first: int) -> None:
        """Shares of a query sum to one, so the mean over queries is the part of all."""
        raw, scale = weights.raw[0].float(), weights.scale[0].float()
        queries, keys = raw.shape[1:]
        marked = self._marked[first : first + queries, :keys].float()
        self._found = self._found + (raw * scale * marked).sum((1, 2)) / len(self._marked)

    def taken(self) -> Tensor:
        """(H,), from 0 to 1."""
        found, self._found = self._found, 0.0
        return found


def edges_of(ranges: Iterable[Range], length: int) -> list[int]:
    """Edges of cells of which every range consists, as far as it lies in a text of that length."""
    ends = {min(max(end, 0), length) for pair in ranges for end in pair}
    return sorted({0, length} | ends)


def members(ranges: Sequence[Range], edges: Sequence[int]) -> Tensor:
    """Which cells each range consists of, (ranges, cells) of 0 and 1."""
    cells = list(pairwise(edges))
    rows = [[float(low <= first and last <= high) for first, last in cells] for low, high in ranges]
    return torch.tensor(rows).view(len(ranges), len(cells))


def shares(sums: Tensor, queries: Sequence[Range], keys: Sequence[Range], edges) -> Tensor:
    """Attention to ranges of keys, mean over queries of each range: (H, queries, keys) float32.

    NaN where there are no such queries, 0 where there are no such keys.
    """
    asked, seen = (members(ranges, edges).to(sums) for ranges in (queries, keys))
    counts = asked @ torch.tensor(edges, device=sums.device).diff().float()
    return torch.einsum("qc,hck,rk->hqr", asked, sums, seen) / counts[:, None]


def sentence_means(sums: Tensor, sentences: Sequence[Range], edges: Sequence[int]) -> Tensor:
    """Attention from tokens of each sentence to tokens of each other, the mean over both,
    (H, S, S); 0 where one is empty."""
    counts = members(sentences, edges) @ torch.tensor(edges).diff().float()
    found = shares(sums, sentences, sentences, edges) / counts.to(sums)
    return found.nan_to_num(nan=0.0, posinf=0.0)
