"""The comparison of predictions as the published code of "Thought Anchors" makes it.

It keeps few scores of each position and takes a score of -1e9 for the others, so that a token kept
on one side alone can add any number: for comparison with published values, not for findings.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SHARE, MOST = 0.9999, 100
ABSENT = -1e9


class Kept(NamedTuple):
    """The likeliest tokens of a position and their scores, the highest first."""

    ids: Tensor
    scores: Tensor
    """float16."""
    share: float
    """Of all probability, at the temperature."""


def kept_scores(scores: Tensor, temperature: float, share: float = SHARE, most: int = MOST) -> Kept:
    """The fewest tokens that reach `share`, of scores (V,): at least 1, at most `most`."""
    chances, order = (scores.float() / temperature).softmax(-1).sort(descending=True)
    sums = chances.cumsum(-1)
    count = min(max(int((sums < share).sum()) + 1, 1), most, len(scores))
    ids = order[:count]
    return Kept(ids, scores[ids].half(), float(sums[count - 1]))


def kept_kl(p: Kept, q: Kept, temperature: float) -> float:
    """KL(p ‖ q) over the tokens either side keeps, at least 0; NaN where one keeps none."""
    ids = torch.cat((p.ids, q.ids)).unique()
    if not (len(p.ids) and len(q.ids)):
        return float("nan") if len(ids) else 0.0
    ln_p, ln_q = (_over(side, ids, temperature) for side in (p, q))
    return max(0.0, float((ln_p.exp() * (ln_p - ln_q)).sum()))


def published_kl(base: Tensor, changed: Tensor, temperature: float) -> Tensor:
    """For scores `changed` (R, T, V) against `base` (T, V), (R, T)."""
    sides = [kept_scores(one, temperature) for one in base]
    found = []
    for row in changed:
        others = [kept_scores(one, temperature) for one in row]
        found.append([kept_kl(p, q, temperature) for p, q in zip(sides, others, strict=True)])
    return torch.tensor(found)


def _over(side: Kept, ids: Tensor, temperature: float) -> Tensor:
    """Log-probabilities of `ids` on one side, float64."""
    scores = torch.full((len(ids),), ABSENT, dtype=torch.float64, device=ids.device)
    scores[torch.searchsorted(ids, side.ids)] = side.scores.double()
    return (scores / temperature).log_softmax(-1)
