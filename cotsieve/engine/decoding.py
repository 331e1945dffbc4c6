"""Decoding of many rows at once: rows that end leave the batch, long ones wait in a pool.

A row is left in one of two states: its next scores are known and no token is chosen, or its last
token is chosen and not yet fed. Running out of memory while feeding changes neither, so decoding
goes on from where it stood.
"""

from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from cotsieve.engine.continuations import Continuations
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.sampling import Nucleus, Picked, greedy, uniform

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

    def pick(self, scores: Tensor, seeds: Tensor, places: Tensor) -> Picked:
        """A token per row, (rows, vocabulary) float32; the row's seed and its place in the text
        give the number for sampling."""
        if self.nucleus is None:
            return greedy(scores)
        return self.nucleus.pick(scores, uniform(seeds, places))


@dataclass
class Rows:
    """Rows of a batch that are being written: which they are, and where they stand."""

    keys: list[tuple[int, int]]
    """(problem, condition) of every row."""
    state: Continuations
    scores: Tensor | None
    """Logits of the next token, (rows, vocabulary) float32; None once it is chosen."""
    written: list[list[int]]
    margins: list[float]
    choice_gaps: list[float]
    live: list[int]
    """The rows that have not ended; the others are fed on and never looked at."""

    @classmethod
    def begin(
        cls,
        keys: list[tuple[int, int]],
        state: Continuations,
        scores: Tensor,
        choice_gaps: list[float] | None = None,
    ) -> "Rows":
        count = len(keys)
        gaps = choice_gaps or [inf] * count
        written: list[list[int]] = [[] for _ in keys]
        return cls(keys, state, scores, written, [inf] * count, gaps, list(range(count)))

    def choose(self, how: Decoding) -> list[Finished]:
        """Give every live row its best next token; returns the rows that ended with it."""
        # One array, since every copy from a GPU waits for it; float64 holds all three kinds.
        picked = torch.stack([part.double() for part in greedy(self.scores)]).tolist()
        tokens, gaps, finite = [int(token) for token in picked[0]], picked[1], picked[2]
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
        )

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
    decoder: Decoder, rows: Rows, how: Decoding, steps: int, finished: list[Finished]
) -> None:
    """Write up to `steps` tokens per row; rows that end are added to `finished`.

    What is left stays in `rows`, also when memory runs out.
    """
    for _ in range(steps):
        if rows.scores is None:
            rows.advance(decoder, how)
        finished += rows.choose(how)
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
    )
