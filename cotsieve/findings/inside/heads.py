"""Which heads do a thing most, by a table of scores, and how sure that is.

Scores are (cases, layers, heads); a head is (layer, head), counted from 0.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

Head = tuple[int, int]


def ranked(scores: np.ndarray) -> list[Head]:
    """All heads by their score (layers, heads), the highest first; NaN last.

    Ties fall as numpy's argsort leaves them when its order is turned round.
    """
    order = np.argsort(np.nan_to_num(scores, nan=-np.inf).flatten())[::-1]
    return [(int(place) // scores.shape[1], int(place) % scores.shape[1]) for place in order]


def mean_over_cases(scores: np.ndarray) -> np.ndarray:
    """(layers, heads); cases without a score are left out, NaN where none has one."""
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        return np.where(known, scores, 0).sum(0, dtype=np.float64) / known.sum(0)


def times_on_top(scores: np.ndarray, top: int) -> Counter[Head]:
    """In how many cases each head is among the `top` highest."""
    return Counter(head for case in scores for head in ranked(case)[:top])


def intervals(scores: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end, (layers, heads), of the 95 % percentile interval of the mean.

    By the bootstrap over cases, drawn alike for all heads.
    """
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(scores), np.full(len(scores), 1 / len(scores)), draws)
    flat = scores.reshape(len(scores), -1)
    known = ~np.isnan(flat)
    with np.errstate(invalid="ignore"):
        means = (counts @ np.where(known, flat, 0)) / (counts @ known)
    low, high = np.nanpercentile(np.nan_to_num(means), [2.5, 97.5], axis=0)
    missing = ~known.any(0)
    return tuple(np.where(missing, np.nan, end).reshape(scores.shape[1:]) for end in (low, high))


def split_half(scores: np.ndarray, first_layer: int = 0) -> float:
    """Pearson's r between mean scores over even and over odd cases; NaN below two cases.

    `first_layer` is 1 in the published reliability of kurtosis.
    """
    halves = [mean_over_cases(scores[part::2])[first_layer:].ravel() for part in (0, 1)]
    known = ~np.isnan(halves).any(0)
    if known.sum() < 2 or min(np.ptp(half[known]) for half in halves) == 0:
        return float("nan")
    return float(np.corrcoef(halves[0][known], halves[1][known])[0, 1])


def overlaps(lists: dict[str, Sequence[Head]]) -> dict[str, int]:
    """Two names of lists → how many heads both hold."""
    names = list(lists)
    return {
        f"{one} & {other}": len({*map(tuple, lists[one])} & {*map(tuple, lists[other])})
        for place, one in enumerate(names)
        for other in names[place + 1 :]
    }
