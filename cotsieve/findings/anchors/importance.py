"""What a sentence does for the answer, with how sure that is; above zero it helps.

Beside the published columns (`reference.py`): no answer is an outcome of its own, equal answers
are one class, what is undefined is NaN, and every difference has its interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotsieve.findings.anchors.chance import (
    DRAWS,
    bootstrap_shares,
    false_discovery,
    generator,
    interval,
    permutation_p,
)
from cotsieve.findings.anchors.divergence import ALPHA, jensen_shannon, kl, total_variation
from cotsieve.findings.anchors.reference import THRESHOLD
from cotsieve.findings.anchors.trace_rollouts import Rollouts

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Measuring:
    """How the measures are computed; nothing here needs new rollouts."""

    threshold: float = THRESHOLD
    """A replacement with a smaller cosine is another sentence."""
    alpha: float = ALPHA
    """Added to every answer of a pair before KL is taken."""
    least_dissimilar: int = 5
    """Counterfactual measures need so many rollouts with another sentence."""
    draws: int = DRAWS
    """Of the bootstrap and of the permutation test."""
    seed: int = 0


def importance(
    name: tuple[str, int], rollouts: Rollouts, forced: Rollouts | None, how: Measuring
) -> dict[str, Array | Counts]:
    """Column → value per sentence of the trace `name`.

    A sentence is compared with the next that has rollouts, which is told as `until`: all up to
    there are then kept or left out together.
    """
    following = rollouts.following()
    random = generator(how.seed, *name)
    scored = ~rollouts.failed & (rollouts.correct >= 0)
    different = scored & (rollouts.likeness < how.threshold)
    whole = _Answers.of(rollouts, scored, how, random)
    other = _Answers.of(rollouts, different, how, random, least=how.least_dissimilar)
    found = {
        "until": following,
        **_counts(rollouts, different),
        **_accuracies(whole, following),
        **_compared("resampled", whole, whole, following, how),
        **_compared("counterfactual", other, whole, following, how),
        **_forced(forced, following, how, random),
    }
    counts = whole.counts
    p_values = np.array(
        [
            permutation_p(counts[here], counts[there], how.draws, random) if there >= 0 else np.nan
            for here, there in enumerate(following)
        ]
    )
    return found | {"p_value": p_values, "q_value": false_discovery(p_values)}


@dataclass(frozen=True)
class _Answers:
    """The answers of some rollouts, per sentence."""

    counts: Counts
    """(sentences, classes), no answer being the last class; all 0 where there are too few."""
    accuracy: Array
    resampled: Array
    """Accuracies of the bootstrap, (draws, sentences)."""

    @classmethod
    def of(
        cls,
        rollouts: Rollouts,
        chosen: NDArray[np.bool_],
        how: Measuring,
        random: np.random.Generator,
        least: int = 1,
    ) -> "_Answers":
        total = rollouts.number(chosen)
        enough = total >= least
        silent = rollouts.number(chosen & (rollouts.classes.codes < 0))
        counts = np.column_stack([rollouts.counts(rollouts.classes, chosen), silent])
        right = rollouts.number(chosen & (rollouts.correct == 1))
        share = np.where(enough, right / np.maximum(total, 1), np.nan)
        drawn = bootstrap_shares(right * enough, total * enough, how.draws, random)
        return cls(counts * enough[:, None], share, drawn)


def _counts(rollouts: Rollouts, different: NDArray[np.bool_]) -> dict[str, Counts]:
    answered = rollouts.classes.codes >= 0
    return {
        "rollouts": rollouts.number(),
        "valid": rollouts.number(answered & ~rollouts.failed),
        "errors": rollouts.number(rollouts.failed),
        "unfinished": rollouts.number(~answered & rollouts.unfinished),
        "empty": rollouts.number(~answered & ~rollouts.unfinished & ~rollouts.failed),
        "dissimilar": rollouts.number(different),
    }


def _accuracies(whole: _Answers, following: Counts) -> dict[str, Array]:
    low, high = interval(whole.resampled)
    return {
        "accuracy_without": whole.accuracy,
        "accuracy_without_low": low,
        "accuracy_without_high": high,
        "accuracy_with": _later(whole.accuracy, following),
    }


def _compared(
    kind: str, without: _Answers, given: _Answers, following: Counts, how: Measuring
) -> dict[str, Array]:
    """Gain of accuracy by the sentence, and how far the answers move."""
    low, high = interval(_later(given.resampled.T, following).T - without.resampled)
    there = given.counts[following] * (following >= 0)[:, None]
    pair = without.counts, there
    return {
        f"gain_{kind}": _later(given.accuracy, following) - without.accuracy,
        f"gain_{kind}_low": low,
        f"gain_{kind}_high": high,
        f"shift_{kind}_kl": kl(*pair, how.alpha),
        f"shift_{kind}_js": jensen_shannon(*pair),
        f"shift_{kind}_tv": total_variation(*pair),
    }


def _forced(
    forced: Rollouts | None, following: Counts, how: Measuring, random: np.random.Generator
) -> dict[str, Array | Counts]:
    if forced is None:
        nothing = np.full(len(following), np.nan)
        names = ("gain_forced", "gain_forced_low", "gain_forced_high")
        names += tuple(f"shift_forced_{measure}" for measure in ("kl", "js", "tv"))
        return dict.fromkeys(names, nothing) | {"forced": np.zeros_like(following)}
    scored = ~forced.failed & (forced.correct >= 0)
    answers = _Answers.of(forced, scored, how, random)
    found = _compared("forced", answers, answers, following, how)
    return found | {"forced": forced.number(scored)}


def _later(values: Array, following: Counts) -> Array:
    """The values of the following sentences; NaN where there is none."""
    missing = (following < 0).reshape(-1, *[1] * (values.ndim - 1))
    return np.where(missing, np.nan, values[following])
