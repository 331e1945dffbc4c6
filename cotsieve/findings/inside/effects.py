"""What hiding one sentence does to the others, from how far the prediction of each token moves.

After "Thought Anchors" (arXiv 2506.19143), attention suppression. Matrices are (affected sentence,
hidden sentence).
"""

from collections.abc import Sequence

import numpy as np

FLOOR = 1e-9
"""Added before a logarithm is taken."""


def effects(
    divergences: np.ndarray,
    sentences: Sequence[tuple[int, int]],
    *,
    log: bool = True,
    first_tokens: int | None = None,
) -> np.ndarray:
    """The mean over a sentence's tokens of what hiding another did to them, (S, S).

    `divergences` are (hidden sentences, T) in nats; of each the logarithm, unless told otherwise.
    NaN for a sentence without tokens.
    """
    values = np.asarray(divergences, np.float64)
    values = np.log(values + FLOOR) if log else values
    found = np.full((len(sentences), len(values)), np.nan)
    for affected, (first, last) in enumerate(sentences):
        last = last if first_tokens is None else min(last, first + first_tokens)
        if first < last:
            found[affected] = values[:, first:last].mean(1)
    return found


def normalised(matrix: np.ndarray) -> np.ndarray:
    """What is left of the effects on a sentence, of those before it, without their mean; else NaN.

    So a sentence that everything moves is compared with others.
    """
    earlier = np.tri(*matrix.shape, -1, dtype=bool)
    kept = np.where(earlier, matrix, np.nan)
    counts = (~np.isnan(kept)).sum(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return kept - np.nansum(kept, 1, keepdims=True) / counts
