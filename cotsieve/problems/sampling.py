"""Draw candidates by what is asked in them, so that neither order nor number of files counts."""

from collections.abc import Sequence

import numpy as np

from cotsieve.ground.seeds import seed_from
from cotsieve.problems.candidates import Pool
from cotsieve.problems.stratify_by import stratify


def sampled(
    pools: Sequence[Pool], rows: int, seed: int, strata: tuple[str, int] | None = None
) -> list[Pool]:
    """The pools with `rows` of their problems together, each in its order; all, if they are fewer.

    Every problem has a place in line that depends on its question and the seed alone, and the first
    are taken, so that a larger sample holds a smaller one. With `strata` (kind and parts of
    `stratify`) equally many are taken of each stratum, and all of one that has no more.
    """
    asked = np.concatenate([np.zeros(0, np.uint64), *(pool.field("question") for pool in pools)])
    line = np.argsort(_mixed(asked ^ np.uint64(seed_from("sample", seed))), kind="stable")
    if strata is None:
        chosen = line[:rows]
    else:
        names = np.concatenate([np.zeros(0, object), *stratify(strata[0], pools, strata[1])])
        chosen = line[_first_of_each(names[line], rows)]
    wanted = np.zeros(len(asked), bool)
    wanted[chosen] = True
    ends = np.cumsum([len(pool.places) for pool in pools])
    parts = np.split(wanted, ends[:-1]) if len(ends) else []
    return [pool.only(part) for pool, part in zip(pools, parts, strict=True)]


def _first_of_each(names: np.ndarray, rows: int) -> np.ndarray:
    """Which of a line are taken: places of as many of each name as `rows` allow."""
    known, codes, counts = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names)) - starts  # its place in line among those of its name
    return np.sort(np.lexsort((codes, rank))[:rows]) if len(known) else np.arange(0)


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Numbers that look drawn (the finalizer of splitmix64, Steele et al. 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
