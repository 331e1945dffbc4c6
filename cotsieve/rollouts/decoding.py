"""Greedy decoding of many rows at once: rows that end leave the batch, long ones wait in a pool."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from cotsieve.models.transformer import Continuations, Decoder, join_continuations

NOT_FINITE = "the logits are not finite numbers; run this model in a wider number format"


@dataclass(frozen=True)
class Completion:
    """What a model wrote for one problem under one condition."""

    token_ids: tuple[int, ...]
    """Without the end-of-sequence token."""
    finish_reason: str
    """stop | length | failed"""
    margin: float
    """Smallest gap between the best two logits over all steps, the stopping one included."""
    error: str | None = None


Finished = tuple[tuple[int, int], Completion]
"""((problem, condition), what was written)"""


@dataclass(frozen=True)
class Greedy:
    """How answers are decoded."""

    max_new_tokens: int
    stop_ids: tuple[int, ...]
    vocabulary: int
    """Logits of the first `vocabulary` entries take part."""


@dataclass
class Rows:
    """Rows of a batch that are being written: which they are, and where they stand."""

    keys: list[tuple[int, int]]
    """(problem, condition) of every row."""
    state: Continuations
    scores: Tensor
    """Logits of the next token, (rows, vocabulary) float32."""
    written: list[list[int]]
    margins: list[float]
    live: list[int]
    """The rows that have not ended; the others are fed on and never looked at."""

    @classmethod
    def begin(cls, keys: list[tuple[int, int]], state: Continuations, scores: Tensor) -> "Rows":
        every = range(len(keys))
        return cls(keys, state, scores, [[] for _ in every], [inf for _ in every], list(every))

    def choose(self, how: Greedy) -> list[Finished]:
        """Give every live row its next token; returns the rows that ended with it."""
        best, tokens = self.scores.topk(2, dim=-1)
        gaps, tokens = (best[:, 0] - best[:, 1]).tolist(), tokens[:, 0].tolist()
        finite = best[:, 0].isfinite().tolist()
        ended, live = [], []
        for row in self.live:
            self.margins[row] = min(self.margins[row], gaps[row])
            if not finite[row]:
                ended.append((self.keys[row], self._completion(row, "failed", NOT_FINITE)))
            elif tokens[row] in how.stop_ids:
                ended.append((self.keys[row], self._completion(row, "stop")))
            else:
                self.written[row].append(tokens[row])
                if len(self.written[row]) == how.max_new_tokens:
                    ended.append((self.keys[row], self._completion(row, "length")))
                else:
                    live.append(row)
        self.live = live
        return ended

    def advance(self, decoder: Decoder, how: Greedy) -> None:
        """Feed the tokens just chosen."""
        last = torch.tensor([(written or [0])[-1] for written in self.written])
        shape = (-1, self.state.count, decoder.architecture.hidden)
        inputs = decoder.embed(last.to(decoder.device)).view(shape)
        hidden = decoder.step(inputs, self.state)
        self.scores = decoder.logits(hidden.flatten(0, 1), how.vocabulary)

    def compact(self) -> "Rows":
        """The live rows alone, each with its own copy of the prompt, when that saves work."""
        return self if len(self.live) > len(self.keys) // 2 else self.only_live()

    def only_live(self) -> "Rows":
        return self.subset(self.live)

    def subset(self, rows: list[int]) -> "Rows":
        """Some of the live rows, each with its own copy of the prompt."""
        index = torch.tensor(rows, device=self.scores.device)
        return Rows(
            [self.keys[row] for row in rows],
            self.state.select(index),
            self.scores[index],
            [list(self.written[row]) for row in rows],
            [self.margins[row] for row in rows],
            list(range(len(rows))),
        )

    def _completion(self, row: int, reason: str, error: str | None = None) -> Completion:
        return Completion(tuple(self.written[row]), reason, self.margins[row], error)


def decode(decoder: Decoder, rows: Rows, how: Greedy, steps: int) -> tuple[list[Finished], Rows]:
    """Write up to `steps` tokens per row; returns the rows that ended, and what is left."""
    finished: list[Finished] = []
    for _ in range(steps):
        finished += rows.choose(how)
        if not rows.live:
            break
        rows = rows.compact()
        rows.advance(decoder, how)
    return finished, rows


def join(pool: list[Rows]) -> Rows:
    """One batch of the live rows of several, which have all written equally many tokens."""
    parts = [rows.only_live() for rows in pool]
    return Rows(
        [key for rows in parts for key in rows.keys],
        join_continuations([rows.state for rows in parts]),
        torch.cat([rows.scores for rows in parts]),
        [written for rows in parts for written in rows.written],
        [margin for rows in parts for margin in rows.margins],
        list(range(sum(len(rows.keys) for rows in parts))),
    )
