"""Rows that are being written, as the device knows them, so that no token waits for the host.

A row has a seat. Every pass chooses a token for each live one; the host looks now and then, takes
the rows that ended and settles those whose token is not sure, which do not go on before.
"""

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from cotsieve.engine.decoding import NOT_FINITE, Completion, Decoding

EMPTY, LIVE, UNSURE, STOPPED, FULL, BROKEN = range(6)
"""States of a seat. UNSURE: its scores are near a tie or an edge, and no token is chosen."""
REASONS = {STOPPED: "stop", FULL: "length", BROKEN: "failed"}


class Seats:
    """The rows of one engine, a seat each; all tensors are (seats, …) on the device."""

    def __init__(self, count: int, how: Decoding, device: torch.device, pick=None):
        """`pick`: what chooses tokens in the place of `how`, a kernel."""
        self.how, self.device, self.pick = how, device, pick or how.pick
        self.near = 0.0
        zeros = torch.zeros(count, dtype=torch.int64, device=device)
        self.state, self.last, self.count = zeros.clone(), zeros.clone(), zeros.clone()
        self.seeds = zeros.clone()
        self.margins = torch.full((count,), inf, dtype=torch.float64, device=device)
        self.written = torch.zeros(count, how.max_new_tokens, dtype=torch.int32, device=device)
        self._stops = torch.tensor(sorted(how.stop_ids), dtype=torch.int64, device=device)

    @property
    def tables(self) -> list[Tensor]:
        return [self.state, self.last, self.count, self.seeds, self.margins, self.written]

    def reset(self, near: float) -> None:
        """All are empty; where a token's margin is under `near`, it waits to be settled."""
        self.near = near
        self.state[:] = EMPTY

    def take_in(self, seats: Tensor, last: Tensor, seeds: Tensor) -> None:
        """New rows, which have read their starts; `last` is the token each read last."""
        self.state[seats], self.count[seats], self.margins[seats] = LIVE, 0, inf
        self.last[seats], self.seeds[seats] = last, seeds

    def choose(self, scores: Tensor, seats: Tensor | slice, settled: bool = False) -> Tensor:
        """Choose the next token of these seats, (n, vocabulary) float32 scores.

        Returns which of them go on, and so feed it, (n,) bool. Nothing is waited for. `settled`:
        the scores are those of the rows alone, so there is nothing unsure about them.
        """
        state, count, written = self.state[seats], self.count[seats], self.written[seats]
        tokens, margins, finite = self.pick(scores, self.seeds[seats], count)
        live = (state == LIVE) | (state == UNSURE) if settled else state == LIVE
        chosen = live & finite
        if not settled:
            chosen = chosen & ~(margins < self.near)
        stops = (tokens[:, None] == self._stops).any(1)
        kept = chosen if self.how.keep_last else chosen & ~stops
        place = count.clamp(max=self.how.max_new_tokens - 1)[:, None]
        put = torch.where(kept[:, None], tokens[:, None].int(), written.gather(1, place))
        written.scatter_(1, place, put)
        if not isinstance(seats, slice):
            self.written[seats] = written
        count = count + kept
        full = chosen & ~stops & (count >= self.how.max_new_tokens)
        going = chosen & ~stops & ~full
        ends = torch.where(stops, STOPPED, torch.where(full, FULL, LIVE))
        unsure = torch.where(finite, UNSURE, BROKEN)
        self.state[seats] = torch.where(live, torch.where(chosen, ends, unsure), state)
        self.count[seats] = count
        least = self.margins[seats]
        self.margins[seats] = torch.where(chosen, torch.minimum(least, margins), least)
        self.last[seats] = torch.where(going, tokens, self.last[seats])
        return going

    def look(self, count: int) -> list[int]:
        """States of the first seats; waits for the device."""
        return self.state[:count].tolist()

    def told(self, seats: Sequence[int]) -> list[Completion]:
        """What rows that ended have written."""
        chosen = torch.tensor(seats, device=self.device)
        about = torch.stack((self.state[chosen], self.count[chosen])).double()
        states, counts, margins = torch.cat((about, self.margins[chosen][None])).tolist()
        texts = self.written[chosen, : int(max(counts))].tolist()
        return [
            Completion(
                tuple(text[: int(count)]),
                REASONS[int(state)],
                margin,
                NOT_FINITE if state == BROKEN else None,
            )
            for state, count, margin, text in zip(states, counts, margins, texts, strict=True)
        ]

    def empty(self, seats: Sequence[int]) -> None:
        """Nobody sits there any more."""
        self.state[torch.tensor(seats, device=self.device)] = EMPTY

    def text_of(self, seat: int) -> list[int]:
        """What a row has written so far."""
        return self.written[seat, : int(self.count[seat])].tolist()

    def move(self, seats: Tensor) -> None:
        """Seat i takes over from seat `seats[i]`; the others are empty."""
        for table in self.tables:
            table[: len(seats)] = table[seats]
        self.state[len(seats) :] = EMPTY
