"""What chance alone would do: bootstrap intervals, permutation tests, and many tests at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotsieve.ground.seeds import seed_from

DRAWS = 1000
LEVEL = 0.95

Array = NDArray[np.float64]


def generator(*names: object) -> np.random.Generator:
    """Random numbers that depend on the names alone."""
    return np.random.default_rng(seed_from("anchors", *names))


def bootstrap_shares(
    right: ArrayLike, total: ArrayLike, draws: int, random: np.random.Generator
) -> Array:
    """Shares of `right` among `total` in resampled rollouts, (draws, rows); NaN where none are."""
    right, total = np.asarray(right, float), np.asarray(total, np.int64)
    share = right / np.maximum(total, 1)
    found = random.binomial(total, share, (draws, len(total))) / np.maximum(total, 1)
    return np.where(total > 0, found, np.nan)


def interval(values: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Percentile interval of every column, (draws, rows) → low and high; NaN where undefined."""
    known = ~np.isnan(values).any(0)
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    if known.any():
        edges = [(1 - level) / 2, (1 + level) / 2]
        low[known], high[known] = np.quantile(values[:, known], edges, axis=0)
    return low, high


def permutation_p(
    p: NDArray[np.int64], q: NDArray[np.int64], draws: int, random: np.random.Generator
) -> float:
    """How often a random split of all answers is at least as uneven as this one.

    `p` and `q` are counts of the same classes; the measure is Pearson's chi-square. Never 0, since
    the split found is one of those possible (Phipson and Smyth 2010); NaN where a side is empty.
    """
    pooled = p + q
    kept = pooled > 0
    p, pooled = p[kept], pooled[kept]
    size, total = int(p.sum()), int(pooled.sum())
    if size in (0, total):
        return float("nan")
    if len(pooled) == 1:
        return 1.0
    splits = random.multivariate_hypergeometric(pooled, size, draws, method="marginals")
    expected = pooled * (size / total)
    unevenness = ((np.vstack([p, splits]) - expected) ** 2 / expected).sum(-1)
    as_uneven = (unevenness[1:] >= unevenness[0] * (1 - 1e-9)).sum()
    return float((1 + as_uneven) / (1 + draws))


def false_discovery(p_values: ArrayLike) -> Array:
    """Adjusted p-values after Benjamini and Hochberg (1995); NaN is no test."""
    p_values = np.asarray(p_values, float)
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return adjusted
