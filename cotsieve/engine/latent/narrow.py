"""Exact results from 16-bit arithmetic: rows that might have come out otherwise run in float32.

A row is sure when every one of its tokens won by a clear lead. What is clear depends on the format,
the model and the scale of its logits, so it is found out: the rows closest to a tie run in float32
first, then the next, until many in a row come out as they were and the lead has doubled since the
last that did not. That is evidence, not proof: a row far from a tie may still be another one.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from cotsieve.engine.decoding import NOT_FINITE, Completion
from cotsieve.engine.latent.engine import LatentEngine

LEAST_LEADS = {"fp16": 0.05, "bf16": 1.0}
"""Format → lead of the best logit under which no row is sure, whatever was found out. On a small
trained model float16 changed no row of 4,500 with a lead over 0.02, bfloat16 none over 0.7."""

CLEARED = 2
"""So many times the lead of any row that changed must the lead of one be that is sure."""

SAME = 64
"""So many rows must have come out the same above the last that changed."""

WAVE = 128
"""At least so many rows run in float32 together; a job of no more runs in it alone."""

LARGE_ACTIVATIONS = ("qwen2", "qwen3")
"""Families of which some models leave the range of float16 while they run."""


@dataclass
class Doubt:
    """What the rows that ran again have told of the others."""

    least: float
    """See LEAST_LEADS."""
    wave: int = WAVE
    changed: float = 0.0
    """Largest lead of a row that came out otherwise."""
    same: list[float] = field(default_factory=list)
    """Leads of the rows that came out as they were."""

    @property
    def lead(self) -> float:
        """The lead up to which a row is not sure; in 16 bits leads are multiples of a step."""
        return max(self.least, CLEARED * self.changed)

    def learn(self, narrow: Completion, wide: Completion) -> None:
        """Take in a row in 16 bits and in float32."""
        if "failed" in (narrow.finish_reason, wide.finish_reason):
            return
        if narrow.token_ids == wide.token_ids:
            self.same.append(narrow.closest)
        else:
            self.changed = max(self.changed, narrow.closest)

    def wanted(self, leads: Sequence[float]) -> int:
        """How many of the rows with these ascending leads are to run again next."""
        unsure = bisect_right(leads, self.lead)
        enough = sum(lead > self.changed for lead in self.same) >= SAME
        return 0 if enough and not unsure else min(len(leads), max(unsure, self.wave))


@dataclass(frozen=True)
class Gate:
    """Which rows of a 16-bit engine run again, and in what."""

    doubt: Doubt
    """Goes with the model: what rows have told holds for those that come after them."""
    engine: Callable[[], LatentEngine]
    """The same model in float32; built when it is first asked for."""


def lead_of(done: Completion) -> float:
    """By how much a row of a 16-bit engine is sure: not at all where it left the range of its
    format; what found no memory would find none in float32."""
    if done.finish_reason == "failed":
        return -inf if done.error == NOT_FINITE else inf
    return done.closest


def exact_format(family: str, weights: Mapping[str, Tensor]) -> str:
    """The format of a model's 16-bit part: fp16, which rounds eight times finer than bf16.

    bf16 where fp16 would overflow: weights beyond its range, or a family known for activations
    beyond it. A row that still overflows is run again like any other that is not sure.
    """
    limit = torch.finfo(torch.float16).max
    fits = all(float(weight.abs().max()) < limit for weight in weights.values() if weight.numel())
    return "fp16" if fits and family not in LARGE_ACTIVATIONS else "bf16"
