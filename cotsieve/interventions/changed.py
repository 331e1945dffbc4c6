"""A written thought under the condition that changes it: what it becomes, and where it differs."""

from collections.abc import Mapping
from typing import Any

from cotsieve.ground.seeds import seed_from
from cotsieve.interventions.prompts import THOUGHTS
from cotsieve.interventions.text import (
    altered_answer,
    edited,
    filler,
    shuffled,
    truncate_fraction,
    truncate_sentences,
)

DRAWN = ("shuffle", "swap", "noise", "resample")
"""Kinds of conditions that draw an order, noise or another problem, by a seed."""
ALTERING = ("alter-statement", "alter-all")
READS_ANSWER = ("drop-answer-statement", "drop-equation", *ALTERING)
"""Edits that look for the answer: that of the trace, or the reference answer where it has none."""


def kind_of(definition: Mapping[str, Any] | None) -> str | None:
    """What a condition does, to activations or to the text; None for the baseline."""
    definition = definition or {}
    return definition.get("operation") or definition.get("reasoning")


def seed_of(definition: Mapping[str, Any] | None) -> int | None:
    """The seed of a condition that draws; with the id of a problem it decides what is drawn."""
    return (definition or {}).get("seed", 0) if kind_of(definition) in DRAWN else None


def changed_thought(
    definition: Mapping[str, Any], thought: str, problem_id: str, stated: str
) -> str:
    """The thought under a condition that needs only its text; `stated` is the answer it reaches.

    Not for `swap`, which takes another problem's, and parts of tokens. Raises BadInput where there
    is nothing to alter.
    """
    kind = definition.get("reasoning", "keep")
    if kind == "keep":
        return thought
    if kind in ("empty", "finished"):
        return THOUGHTS[kind]
    if kind == "truncate" and "sentences_fraction" in definition:
        return truncate_fraction(thought, definition["sentences_fraction"])
    if kind == "truncate":
        return truncate_sentences(thought, definition["sentences"])
    if kind == "shuffle":
        return shuffled(thought, seed_from("shuffle", seed_of(definition), problem_id))
    if kind == "filler":
        return filler(thought, definition.get("filler", "dots"))
    return edited(kind.replace("-", "_"), thought, stated)


def altered_to(definition: Mapping[str, Any], stated: str) -> str | None:
    """The answer that the thought states after it was altered; None where it is not."""
    return altered_answer(stated) if kind_of(definition) in ALTERING else None


def changed_span(before: str, after: str) -> tuple[int, int] | None:
    """The characters of `before` that are others, or none, in `after`; None if it is the same.

    What stands before and behind them is the same in both, so `after` has in their place
    what is left of it.
    """
    if before == after:
        return None
    start = _shared(before, after)
    return start, len(before) - _shared(before[start:][::-1], after[start:][::-1])


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    unequal = (place for place, (a, b) in pairs if a != b)
    return next(unequal, min(len(one), len(other)))
