"""The next token of every row, chosen on the device, by the row's own scores and numbers alone.

Sampling counts: chances become whole numbers, so that their sums are exact in any order, whatever
the batch, and a set found by search is the set that a sort would give. A token is the place where
a row's uniform number falls in what is kept, laid out in the order of the vocabulary; how close it
came to another outcome is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cotsieve.ground.seeds import seed_from

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Of splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014."""

WHOLE = 2.0**44
"""The best token's chance as a whole number; 2^18 tokens of it still add up in 63 bits."""


class Picked(NamedTuple):
    """The next token of every row."""

    tokens: Tensor
    """(rows,) int64."""
    margins: Tensor
    """Greedy: gap between the best two logits. Sampling: distance of the drawn number to the
    nearest edge, as a probability. (rows,) float64."""
    finite: Tensor
    """Whether all scores are numbers and the best one is finite, (rows,) bool."""


def uniform(seeds: Tensor, places: Tensor) -> Tensor:
    """Numbers in [0, 1) for rows' seeds and places in their texts, (rows,) int64 each → float64.

    Whole numbers alone decide them, so they are the same on every device.
    """
    bits = _mixed(_mixed(seeds) + (places + 1) * _signed(GOLDEN))
    return (_shifted(bits, 11)).double() * 2.0**-53


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _signed(FIRST)
    bits = (bits ^ _shifted(bits, 27)) * _signed(SECOND)
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """To the right, zeros following."""
    return (bits >> by) & (2 ** (64 - by) - 1)


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


def greedy(scores: Tensor) -> Picked:
    """The best token of every row, (rows, vocabulary) float32, which are used up by this."""
    tokens = _first_best(scores)[:, None]
    best = scores.gather(1, tokens)
    # The best struck out, the next is a plain maximum: far quicker than finding both at once.
    gaps = best - scores.scatter_(1, tokens, -torch.inf).amax(-1, keepdim=True)
    return Picked(tokens[:, 0], gaps[:, 0].double(), best[:, 0].isfinite())


def _first_best(scores: Tensor) -> Tensor:
    """Index of the largest entry per row, the first of equal ones; NaN counts as largest."""
    if scores.device.type == "cpu":  # ten times as fast as torch's own
        return torch.from_numpy(scores.numpy().argmax(-1))
    return scores.argmax(-1)


@dataclass(frozen=True)
class Nucleus:
    """Sampling with a temperature from the smallest set of tokens that holds `top_p`.

    Holtzman et al., arXiv 1904.09751; the set keeps the token that crosses the threshold, and of
    equal tokens those that come first in the vocabulary.
    """

    temperature: float
    top_p: float

    def pick(self, scores: Tensor, draws: Tensor) -> Picked:
        """One token per row, (rows, vocabulary) float32, for uniform numbers in [0, 1)."""
        best = scores.amax(-1, keepdim=True)
        finite = best.isfinite()
        scores = torch.where(finite, scores - best, 0.0)
        chances = (scores / self.temperature).exp()
        weights = (chances.double() * WHOLE).long()
        total = weights.sum(-1, keepdim=True)
        kept, edge = self._nucleus(chances, weights, total)
        line = kept.cumsum(-1)
        place = (draws[:, None] * line[:, -1:].double()).long()
        place = torch.minimum(place, line[:, -1:] - 1)
        tokens = torch.searchsorted(line, place, right=True).clamp(max=scores.shape[-1] - 1)
        above = line.gather(1, tokens) - place
        below = place - (line.gather(1, tokens) - kept.gather(1, tokens))
        margins = torch.minimum(torch.minimum(above, below), edge).double() / total.double()
        return Picked(tokens[:, 0], margins[:, 0], finite[:, 0])

    def needed(self, total: Tensor) -> Tensor:
        """What tokens before a token must hold for it to be left out."""
        return (total.double() * self.top_p).ceil().long()

    def _nucleus(self, chances: Tensor, weights: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Weights outside the nucleus set to 0, and how close the threshold was to another set."""
        if self.top_p >= 1:
            return weights, total
        needed = self.needed(total)
        order = chances.sort(dim=-1, descending=True, stable=True).indices
        ordered = weights.gather(1, order)
        reached = ordered.cumsum(-1)
        before = reached - ordered
        kept = torch.zeros_like(weights).scatter(1, order, ordered * (before < needed))
        edges = torch.minimum((reached - needed).abs(), (before - needed).abs())
        return kept, edges.amin(-1, keepdim=True)


def stream_seed(
    seed: int, problem_id: str, sample: int, condition: Mapping[str, Any] | None = None
) -> int:
    """The seed of one row's uniform numbers; `condition` defines one that is no baseline."""
    return seed_from("sample", seed, problem_id, sample, condition)
