"""The eight measures of "Thought Anchors" as its reference implementation computes them.

Bogdan, Macar, Nanda and Conmy, arXiv 2506.19143; names, signs and smoothing are theirs. Undefined
values are NaN; `published` puts the zeros there that the publication has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotsieve.answers.thought_anchors import normalized
from cotsieve.findings.anchors.divergence import PUBLISHED_ALPHA, binary_kl, kl
from cotsieve.findings.anchors.trace_rollouts import Codes, Rollouts

MEASURES = (
    "accuracy",
    "resampling_importance_accuracy",
    "resampling_importance_kl",
    "counterfactual_importance_accuracy",
    "counterfactual_importance_kl",
    "forced_importance_accuracy",
    "forced_importance_kl",
    "different_trajectories_fraction",
    "overdeterminedness",
)
"""In the order of `chunks_labeled.json`."""
THRESHOLD = 0.8

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """Options of the reference implementation; the defaults are what was published."""

    threshold: float = THRESHOLD
    """A replacement with a smaller cosine is another sentence."""
    alpha: float = PUBLISHED_ALPHA
    prob_true: bool = False
    """Compare the shares of correct answers instead of the answers."""
    next_only: bool = False
    """Compare with the rollouts of the next sentence alone, without similar ones of this."""
    absolute: bool = False
    """Differences of accuracy without sign."""


def measures(rollouts: Rollouts, forced: Rollouts | None, rule: Rule = Rule()) -> dict[str, Array]:
    """Name → value per sentence; NaN where it is undefined, or where there are no forced answers.

    A measure compares a sentence with the next one that has rollouts, so the last has none of them.
    """
    one, following = _Side.of(rollouts), rollouts.following()
    different = one.counted & (rollouts.likeness < rule.threshold)
    similar = one.counted & ~different
    accuracy = one.accuracy()
    found = {
        "accuracy": accuracy,
        "resampling_importance_accuracy": np.append(np.diff(accuracy), np.nan),
        "resampling_importance_kl": _between(one, following, rule),
        "counterfactual_importance_accuracy": one.accuracy(different)
        - _at(one.accuracy(one.counted), following),
        "counterfactual_importance_kl": _counterfactual_kl(
            one, different, similar, following, rule
        ),
        **_forced(forced, following, rule),
    }
    counted = rollouts.number(one.counted)
    with np.errstate(divide="ignore", invalid="ignore"):
        distinct = (rollouts.counts(rollouts.replacement, one.counted) > 0).sum(-1)
        share = rollouts.number(different) / counted
        found["different_trajectories_fraction"] = np.where(counted, share, np.nan)
        found["overdeterminedness"] = np.where(counted, 1 - distinct / counted, np.nan)
    for name in MEASURES[1:]:
        found[name] = np.where(following < 0, np.nan, found[name])
    if rule.absolute:
        found |= {name: np.abs(found[name]) for name in MEASURES[1:6:2]}
    return {name: found[name] for name in MEASURES}


def published(rollouts: Rollouts, forced: Rollouts | None, rule: Rule = Rule()) -> dict[str, Array]:
    """The same with the zeros of the publication; without forced answers the two are left out."""
    found = measures(rollouts, forced, rule)
    there, following = rollouts.number() > 0, rollouts.following()
    accuracy = np.nan_to_num(found["accuracy"])
    steps = np.append(np.diff(accuracy), 0.0)
    gained = {"resampling_importance_accuracy": np.where(np.append(there[1:], False), steps, 0.0)}
    if forced is None:
        found = {name: value for name, value in found.items() if not name.startswith("forced")}
    else:
        right = np.nan_to_num(_Side.of(forced).accuracy())
        gained["forced_importance_accuracy"] = np.nan_to_num(_at(right, following) - right)
    if rule.absolute:
        gained = {name: np.abs(value) for name, value in gained.items()}
    return {name: np.nan_to_num(value) for name, value in (found | gained).items()}


@dataclass(frozen=True)
class _Side:
    """Rollouts of one kind, with the published idea of which of them count."""

    rollouts: Rollouts
    answered: Flags
    """With an answer that is not empty."""
    counted: Flags
    """And that is not the word None."""

    @classmethod
    def of(cls, rollouts: Rollouts) -> "_Side":
        names, codes = rollouts.published.names, rollouts.published.codes
        filled = np.array([*(bool(name) for name in names), False])
        named = np.array([*(name not in ("", "None") for name in names), False])
        return cls(rollouts, filled[codes], named[codes])

    def accuracy(self, chosen: Flags | None = None) -> Array:
        right, known = self.right(chosen)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(known, right / known, np.nan)

    def right(self, chosen: Flags | None = None) -> tuple[Array, Array]:
        """Correct answers, and answers of which that is known, per sentence."""
        among = self.answered if chosen is None else self.answered & chosen
        known = among & (self.rollouts.published_correct >= 0)
        right = among & (self.rollouts.published_correct == 1)
        return self.rollouts.number(right), self.rollouts.number(known)

    def normal(self, times: int) -> Codes:
        codes = self.rollouts.published
        return codes.under([normalized(name, times) for name in codes.names])


def _between(side: _Side, following: NDArray[np.int64], rule: Rule) -> Array:
    """KL between the answers around every sentence and those around the following one."""
    if rule.prob_true:
        known = side.rollouts.published_correct >= 0
        total, right = side.rollouts.number(known), side.right()[0]
        return binary_kl(right, total, _at(right, following), _at(total, following), rule.alpha)
    counts = side.rollouts.counts(side.normal(1))
    return kl(counts, _at(counts, following), rule.alpha)


def _counterfactual_kl(
    side: _Side, different: Flags, similar: Flags, following: NDArray[np.int64], rule: Rule
) -> Array:
    rollouts, codes = side.rollouts, side.normal(3)
    mine = rollouts.counts(codes, different)
    theirs = _at(rollouts.counts(codes, side.counted), following)
    others = theirs if rule.next_only else theirs + rollouts.counts(codes, similar)
    if not rule.prob_true:
        found = kl(mine, others, rule.alpha)
    else:
        right = _last_correct(side, codes, following)
        found = binary_kl(
            (mine * right).sum(-1),
            mine.sum(-1),
            (others * right).sum(-1),
            others.sum(-1),
            rule.alpha,
        )
    return np.where(theirs.sum(-1) > 0, found, np.nan)


def _last_correct(side: _Side, codes: Codes, following: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whether each answer was last found correct, here or around the following sentence."""
    rollouts = side.rollouts
    last = np.full((rollouts.sentences, max(1, len(codes.names))), -1)
    for row in np.flatnonzero(side.counted & (codes.codes >= 0)):
        last[rollouts.sentence[row], codes.codes[row]] = rollouts.published_correct[row] == 1
    theirs = _at(last, following)
    return np.maximum(np.where(theirs >= 0, theirs, last), 0)


def _forced(forced: Rollouts | None, following: NDArray[np.int64], rule: Rule) -> dict[str, Array]:
    nothing = np.full(len(following), np.nan)
    if forced is None:
        return {"forced_importance_accuracy": nothing, "forced_importance_kl": nothing}
    side = _Side.of(forced)
    right = side.accuracy()
    return {
        "forced_importance_accuracy": _at(right, following) - right,
        "forced_importance_kl": _between(side, following, rule),
    }


def _at(values: NDArray, places: NDArray[np.int64]) -> NDArray:
    """The values at some places; of place -1 nothing: NaN, or no counts."""
    nothing = np.zeros(values.shape[1:]) if values.dtype != float else np.nan
    return np.where((places < 0).reshape(-1, *[1] * (values.ndim - 1)), nothing, values[places])
