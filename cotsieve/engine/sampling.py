"""Sampling that depends on the row alone: equal seeds give equal text whatever the batch.

Every row has its own stream of uniform numbers, one per token. A token is the place where that
number falls in the distribution, laid out in the order of the vocabulary, so that rounding can
change it only when the number lies at an edge; how close it came is recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cotsieve.ground.seeds import seed_from


class Picked(NamedTuple):
    """The next token of every row."""

    tokens: list[int]
    margins: list[float]
    """Greedy: gap between the best two logits. Sampling: distance of the drawn number to the
    nearest edge, as a probability."""
    finite: list[bool]


def greedy(scores: Tensor) -> Picked:
    """The best token of every row, (rows, vocabulary) float32, which are used up by this."""
    tokens = _first_best(scores)[:, None]
    best = scores.gather(1, tokens)
    # The best struck out, the next is a plain maximum: far quicker than finding both at once.
    gaps = best - scores.scatter_(1, tokens, -torch.inf).amax(-1, keepdim=True)
    # One array, since every copy from a GPU waits for it; float64 holds all three kinds exactly.
    picked = torch.cat((tokens.double(), gaps.double(), best.isfinite().double()), 1)
    tokens, gaps, finite = picked.T.tolist()
    return Picked([int(token) for token in tokens], gaps, [bool(one) for one in finite])


def _first_best(scores: Tensor) -> Tensor:
    """Index of the largest entry per row, the first of equal ones; NaN counts as largest."""
    if scores.device.type == "cpu":  # ten times as fast as torch's own
        return torch.from_numpy(scores.numpy().argmax(-1))
    return scores.argmax(-1)


@dataclass(frozen=True)
class Nucleus:
    """Sampling with a temperature from the smallest set of tokens that holds `top_p`.

    Holtzman et al., arXiv 1904.09751; the set keeps the token that crosses the threshold.
    """

    temperature: float
    top_p: float

    def pick(self, scores: Tensor, draws: Sequence[float]) -> Picked:
        """One token per row, for uniform numbers in [0, 1)."""
        finite = scores.isfinite().any(-1) & ~scores.isnan().any(-1)
        scores = torch.where(finite[:, None], scores, torch.zeros_like(scores))
        chances = (scores.double() / self.temperature).softmax(-1)
        kept, edge = self._nucleus(chances)
        line = kept.cumsum(-1)
        place = torch.tensor(draws, device=scores.device, dtype=line.dtype)[:, None] * line[:, -1:]
        tokens = torch.searchsorted(line, place, right=True).clamp(max=scores.shape[-1] - 1)
        above = line.gather(1, tokens) - place
        below = place - (line.gather(1, tokens) - kept.gather(1, tokens))
        margins = torch.minimum(torch.minimum(above, below)[:, 0], edge)
        return Picked(tokens[:, 0].tolist(), margins.tolist(), finite.tolist())

    def _nucleus(self, chances: Tensor) -> tuple[Tensor, Tensor]:
        """Chances outside the nucleus set to 0, and how close the threshold was to another set."""
        if self.top_p >= 1:
            return chances, chances.new_full(chances.shape[:1], torch.inf)
        ordered, order = chances.sort(dim=-1, descending=True, stable=True)
        total = ordered.cumsum(-1)
        inside = total - ordered < self.top_p
        kept = torch.zeros_like(chances).scatter(1, order, ordered * inside)
        return kept, (total - self.top_p).abs().min(-1).values


def stream_seed(
    seed: int, problem_id: str, sample: int, condition: Mapping[str, Any] | None = None
) -> int:
    """The seed of one row's uniform numbers; `condition` defines one that is no baseline."""
    return seed_from("sample", seed, problem_id, sample, condition)
