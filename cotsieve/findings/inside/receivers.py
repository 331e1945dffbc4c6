"""Receiver heads: heads that look back at few sentences, from wherever they look.

After "Thought Anchors" (arXiv 2506.19143), receiver heads. S are the sentences of a trace; matrices
(…, S, S) hold the mean attention from tokens of sentence i to tokens of sentence j.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

PROXIMITY = 4


def limited(ranges: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Ranges of tokens as the published code takes them: the last token of the text is not used."""
    return [(min(first, length - 1), min(last, length - 1)) for first, last in ranges]


def vertical_scores(
    matrices: np.ndarray,
    proximity: int = PROXIMITY,
    *,
    median: bool = False,
    depth_control: bool = False,
) -> np.ndarray:
    """How much each sentence is looked at from at least `proximity` sentences on, (…, S).

    The mean, or median, over these; NaN for the last ones. With depth control a row's values are
    replaced by their ranks as shares of their number.
    """
    count = matrices.shape[-1]
    rows, columns = np.indices((count, count))
    kept = np.where(rows - columns >= proximity, matrices, np.nan)
    if depth_control:
        ranks = rankdata(kept, axis=-1, nan_policy="omit")
        kept = ranks / np.sum(~np.isnan(kept), -1, keepdims=True).clip(1)
    looked = ~np.isnan(kept).all(-2)
    average = np.nanmedian if median else np.nanmean
    filled = np.where(looked[..., None, :], kept, 0)
    return np.where(looked, average(filled, -2), np.nan)


def excess_kurtosis(scores: np.ndarray) -> np.ndarray:
    """How much a head's scores (…, S) stand on few sentences: 0 for a normal distribution.

    Of population moments, without NaN; NaN where all scores are equal or there are none.
    """
    known = ~np.isnan(scores)
    count = known.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, scores, 0).sum(-1, keepdims=True) / count
        apart = np.where(known, scores - mean, 0)
        second, fourth = ((apart**power).sum(-1) / count[..., 0] for power in (2, 4))
        alike = np.sqrt(second) <= 1e-8 * np.abs(mean[..., 0])  # nothing but rounding
        return np.where(alike, np.nan, fourth / second**2 - 3)


def receiver_heads(kurtosis: np.ndarray, top: int) -> list[tuple[int, int]]:
    """(layer, head) of the highest kurtosis (layers, heads), the highest first, without NaN."""
    order = np.argsort(-kurtosis, axis=None, kind="stable")[:top]
    heads = [np.unravel_index(place, kurtosis.shape) for place in order]
    return [(int(layer), int(head)) for layer, head in heads if not np.isnan(kurtosis[layer, head])]


def receiver_scores(vertical: np.ndarray, heads: Sequence[tuple[int, int]]) -> np.ndarray:
    """The mean over chosen heads of vertical scores (layers, heads, S) of each sentence, (S,)."""
    if not heads:
        return np.full(vertical.shape[-1], np.nan)
    return np.mean([vertical[head] for head in heads], 0)
