"""Decoding of many rows at once: rows that end leave the batch, long ones wait in a pool.

A row is left in one of two states: its next scores are known and no token is chosen, or its last
token is chosen and not yet fed. Running out of memory while feeding changes neither, so decoding
goes on from where it stood.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.sampling import Nucleus, Picked, greedy

NOT_FINITE = "the logits are not finite numbers; run this model in a wider number format"


@dataclass(frozen=True)
class Completion:
    """What a model wrote for one problem under one condition."""

    token_ids: tuple[int, ...]
    """Without the token that ends them, unless decoding keeps it."""
    finish_reason: str
    """stop | length | failed"""
    margin: float
    """How close the closest of its tokens was to being another one: for greedy decoding the gap
    between the best two logits, for sampling a probability; the stopping token is included."""
    error: str | None = None
    choice_gap: float = inf
    """Smallest gap between candidates where an intervention chose a token of the vocabulary."""

    @property
    def closest(self) -> float:
        """How close the row came to being another one."""
        return min(self.margin, self.choice_gap)


Finished = tuple[tuple[int, int], Completion]
"""((problem, condition), what was written)"""


@dataclass(frozen=True)
class Decoding:
    """How text is decoded: greedily, or by sampling when there is a nucleus."""

    max_new_tokens: int
    stop_ids: frozenset[int]
    vocabulary: int
    """Logits of the first `vocabulary` entries take part."""
    keep_last: bool = False
    """Whether the token that ends an answer is part of it."""
    nucleus: Nucleus | None = None

    def pick(self, scores: Tensor, draws: Sequence[float] | None) -> Picked:
        """A token per row, (rows, vocabulary) float32; `draws` are for sampling."""
        return self.nucleus.pick(scores, draws) if self.nucleus else greedy(scores)


Settle = Callable[[tuple[int, int], list[int], float], Tensor | None]
"""(key, what the row has written, how close its next token was) → scores of that token that do
not depend on any batch, (1, vocabulary); None where the token is sure."""


class State(Protocol):
    """What a decoder remembers of rows, and goes on from."""

    count: int
    """Continuations of each problem; after `select` and `join` there is one of each."""

    @property
    def device(self) -> torch.device: ...

    def select(self, rows: Tensor) -> Self:
        """Keep some rows, in ascending order."""

    def fold(self) -> Self:
        """The same rows, ready to be joined by others of any age."""

    def join(self, parts: list[Self]) -> Self:
        """One batch of several."""


@dataclass
class Rows:
    """Rows of a batch that are being written: which they are, and where they stand."""

    keys: list[tuple[int, int]]
    """(problem, condition) of every row."""
    state: State
    scores: Tensor | None
    """Logits of the next token, (rows, vocabulary) float32; None once it is chosen."""
    written: list[list[int]]
    margins: list[float]
    choice_gaps: list[float]
    live: list[int]
    """The rows that have not ended; the others are fed on and never looked at."""
    streams: list[np.random.Generator]
    """One stream of uniform numbers per row; empty when decoding is greedy."""
    draws: list[float] | None = None
    """Numbers drawn for tokens not chosen yet: memory may run out in between."""

    @classmethod
    def begin(
        cls,
        keys: list[tuple[int, int]],
        state: State,
        scores: Tensor,
        choice_gaps: list[float] | None = None,
        streams: list[np.random.Generator] | None = None,
    ) -> "Rows":
        count = len(keys)
        gaps = choice_gaps or [inf] * count
        written: list[list[int]] = [[] for _ in keys]
        live = list(range(count))
        return cls(keys, state, scores, written, [inf] * count, gaps, live, streams or [])

    def choose(self, how: Decoding, settle: "Settle | None" = None) -> list[Finished]:
        """Give every live row its next token; returns the rows that ended with it.

        `settle` gives other scores for rows on which two batches might disagree.
        """
        if how.nucleus and self.draws is None:
            self.draws = [stream.random() for stream in self.streams]
        tokens, gaps, finite = how.pick(self.scores, self.draws)
        for row in self.live if settle else ():
            scores = settle(self.keys[row], self.written[row], gaps[row])
            if scores is not None:
                draws = self.draws and [self.draws[row]]
                (tokens[row],), (gaps[row],), (finite[row],) = how.pick(scores, draws)
        self.draws = None
        ended, live = [], []
        for row in self.live:
            self.margins[row] = min(self.margins[row], gaps[row])
            if not finite[row]:
                ended.append((self.keys[row], self._completion(row, "failed", NOT_FINITE)))
            elif tokens[row] in how.stop_ids:
                if how.keep_last:
                    self.written[row].append(tokens[row])
                ended.append((self.keys[row], self._completion(row, "stop")))
            else:
                self.written[row].append(tokens[row])
                if len(self.written[row]) == how.max_new_tokens:
                    ended.append((self.keys[row], self._completion(row, "length")))
                else:
                    live.append(row)
        self.live, self.scores = live, None
        return ended

    def advance(self, decoder: Decoder, how: Decoding) -> None:
        """Feed the tokens just chosen."""
        last = torch.tensor([(written or [0])[-1] for written in self.written])
        inputs = decoder.embed(last.to(decoder.device).view(-1, self.state.count))
        hidden = decoder.step(inputs, self.state)
        self.scores = decoder.logits(hidden.flatten(0, 1), how.vocabulary)

    def only_live(self) -> "Rows":
        """The live rows alone, each with its own copy of the prompt; their tokens are chosen."""
        rows = self.live
        return Rows(
            [self.keys[row] for row in rows],
            self.state.select(torch.tensor(rows, device=self.state.device)),
            None,
            [list(self.written[row]) for row in rows],
            [self.margins[row] for row in rows],
            [self.choice_gaps[row] for row in rows],
            list(range(len(rows))),
            [self.streams[row] for row in rows] if self.streams else [],
        )

    def folded(self) -> "Rows":
        """The live rows, what they wrote being part of their prompts, so that any can join them."""
        rows = self.only_live()
        return replace(rows, state=rows.state.fold())

    def compact(self) -> None:
        """Drop the rows that ended, when that saves work."""
        if len(self.live) <= len(self.keys) // 2:
            vars(self).update(vars(self.only_live()))

    def halves(self) -> list["Rows"]:
        """The same rows with one half of the live ones each; nothing is copied yet."""
        middle = len(self.live) // 2
        return [replace(self, live=live) for live in (self.live[:middle], self.live[middle:])]

    def _completion(self, row: int, reason: str, error: str | None = None) -> Completion:
        written, margin = tuple(self.written[row]), self.margins[row]
        return Completion(written, reason, margin, error, self.choice_gaps[row])


def decode(
    decoder: Decoder,
    rows: Rows,
    how: Decoding,
    steps: int,
    finished: list[Finished],
    settle: Settle | None = None,
) -> None:
    """Write up to `steps` tokens per row; rows that end are added to `finished`.

    What is left stays in `rows`, also when memory runs out.
    """
    for _ in range(steps):
        if rows.scores is None:
            rows.advance(decoder, how)
        finished += rows.choose(how, settle)
        if not rows.live:
            return
        rows.compact()


def join(pool: list[Rows]) -> Rows:
    """One batch of the live rows of several, whose continuations are equally long."""
    parts = [rows.only_live() for rows in pool]
    return Rows(
        [key for rows in parts for key in rows.keys],
        parts[0].state.join([rows.state for rows in parts]),
        None,
        [written for rows in parts for written in rows.written],
        [margin for rows in parts for margin in rows.margins],
        [gap for rows in parts for gap in rows.choice_gaps],
        list(range(sum(len(rows.keys) for rows in parts))),
        [stream for rows in parts for stream in rows.streams],
    )
