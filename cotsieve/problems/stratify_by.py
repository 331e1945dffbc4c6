"""Sort problems into strata by what is known of them before any model has seen them."""

from collections.abc import Callable, Sequence

import numpy as np

from cotsieve.ground.faults import bad
from cotsieve.problems.candidates import Pool
from cotsieve.problems.index import Kind
from cotsieve.problems.problem import UNKNOWN

KINDS = ("steps", "level", "subject", "level-subject", "solution-length", "source")


def stratify(kind: str, pools: Sequence[Pool], parts: int = 4) -> list[np.ndarray]:
    """The stratum of each problem, in order, for each of the pools.

    `kind` is one of KINDS: "steps" (2-step … 5+step), "level" (level 5), "subject" (Geometry),
    "level-subject" (level 5 Geometry), "solution-length" (length 1/4 … length 4/4, `parts` groups
    of about equal size of the given problems) and "source". A problem of which that is not known,
    and one that cannot be used, is in the stratum "unknown"; its source is always known. Raises
    BadInput for an unknown kind and for less than one part.
    """
    if kind not in KINDS:
        raise bad(f"strata by {kind!r}", "there is no such kind", f"Use one of {', '.join(KINDS)}.")
    if parts < 1:
        raise bad("parts of solution lengths", f"they are {parts}", "Give at least 1.")
    if kind == "solution-length":
        return _by_length([_lengths(pool) for pool in pools], parts)
    if kind == "source":
        return [np.full(len(pool.places), pool.catalogue.name, object) for pool in pools]
    return [
        np.array([_NAMES[kind](one) for one in pool.catalogue.kinds], object)[pool.field("kind")]
        for pool in pools
    ]


def length_bounds(lengths: np.ndarray, parts: int) -> list[int]:
    """The longest solution, in characters, of each group of lengths but the last.

    Solutions of one length share a group, so groups may be uneven or empty. Empty without any
    solution; a solution belongs to the first group whose bound it does not exceed. A length below 0
    is of a problem without one.
    """
    ordered = np.sort(lengths[lengths >= 0])
    if not len(ordered):
        return []
    places = [-(-part * len(ordered) // parts) - 1 for part in range(1, parts)]
    return [int(ordered[place]) for place in places]


def _by_length(lengths: Sequence[np.ndarray], parts: int) -> list[np.ndarray]:
    bounds = length_bounds(np.concatenate([np.zeros(0, np.int32), *lengths]), parts)
    names = np.array([UNKNOWN, *(f"length {1 + part}/{parts}" for part in range(parts))], object)
    return [names[np.where(one < 0, 0, 1 + np.searchsorted(bounds, one))] for one in lengths]


def _lengths(pool: Pool) -> np.ndarray:
    """The length of each solution, -1 where it is not measured."""
    return np.where(pool.catalogue.usable[pool.places], pool.field("solution"), -1)


def _steps(kind: Kind) -> str:
    return kind.stratum


def _level(kind: Kind) -> str:
    return UNKNOWN if kind.level is None else f"level {kind.level}"


def _subject(kind: Kind) -> str:
    return kind.subject or UNKNOWN


def _level_subject(kind: Kind) -> str:
    if kind.level is None or not kind.subject:
        return UNKNOWN
    return f"{_level(kind)} {kind.subject}"


_NAMES: dict[str, Callable[[Kind], str]] = {
    "steps": _steps,
    "level": _level,
    "subject": _subject,
    "level-subject": _level_subject,
}
