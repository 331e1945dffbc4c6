"""How far two distributions of answers lie apart, from counts, a pair per row; in nats."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

PUBLISHED_ALPHA = 1e-9
"""Added to every count by the publication: one answer seen on one side only weighs about 0.2."""
ALPHA = 0.5
"""Added by default here (Jeffreys): rare answers weigh little."""

Array = NDArray[np.float64]


def kl(p: ArrayLike, q: ArrayLike, alpha: float = ALPHA) -> Array:
    """KL(P‖Q) with `alpha` added to every class that either side has, (rows,) from (rows, classes).

    Clipped below at 0; NaN where a side has no counts ("Thought Anchors", section 3).
    """
    p, q = np.asarray(p, float), np.asarray(q, float)
    seen = (p > 0) | (q > 0)
    size = seen.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_share = (p + alpha) / (p.sum(-1, keepdims=True) + alpha * size)
        q_share = (q + alpha) / (q.sum(-1, keepdims=True) + alpha * size)
        terms = np.where(seen, p_share * np.log(p_share / q_share), 0.0)
    return _known(p, q, np.maximum(terms.sum(-1), 0.0))


def binary_kl(
    p_correct: ArrayLike,
    p_total: ArrayLike,
    q_correct: ArrayLike,
    q_total: ArrayLike,
    alpha: float = ALPHA,
) -> Array:
    """KL between two shares of correct answers, `alpha` added to both outcomes."""
    sides = []
    for correct, total in ((p_correct, p_total), (q_correct, q_total)):
        correct, total = np.asarray(correct, float), np.asarray(total, float)
        sides.append((correct + alpha) / (total + 2 * alpha))
    p, q = sides
    found = np.maximum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    empty = (np.asarray(p_total) == 0) | (np.asarray(q_total) == 0)
    return np.where(empty, np.nan, found)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> Array:
    """Jensen-Shannon divergence, from 0 to ln 2; NaN where a side has no counts."""
    shares = _shares(p), _shares(q)
    middle = (shares[0] + shares[1]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log(one / middle), 0.0).sum(-1) for one in shares]
    return _known(p, q, np.maximum((parts[0] + parts[1]) / 2, 0.0))


def total_variation(p: ArrayLike, q: ArrayLike) -> Array:
    """Half the summed difference of shares, from 0 to 1; NaN where a side has no counts."""
    return _known(p, q, np.abs(_shares(p) - _shares(q)).sum(-1) / 2)


def _shares(counts: ArrayLike) -> Array:
    counts = np.asarray(counts, float)
    return counts / np.maximum(counts.sum(-1, keepdims=True), 1)


def _known(p: ArrayLike, q: ArrayLike, value: Array) -> Array:
    empty = (np.asarray(p).sum(-1) == 0) | (np.asarray(q).sum(-1) == 0)
    return np.where(empty, np.nan, value)
