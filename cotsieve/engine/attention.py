"""Attention of tokens to the keys their rows keep in slots: the one place where it is computed.

Every row walks its own keys in chunks of a fixed size, in order: those it shares with others in a
home, then its own. So nothing of a batch is in its sums. On a GPU the walk is a kernel; here is
the same walk in torch, and in float32, where rows near a tie are settled in another way, as wide as
it goes.

Shapes: B rows, T tokens of each, N key heads, G query heads per key head, D head size, L keys.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.chunks import (
    OWN_LANES,
    Part,
    causal,
    joined,
    laned,
    lanes_of,
    merged_part_of,
    part_of,
)


class Kept(Protocol):
    """The keys and values of all rows; see slots.py."""

    keys: list[Tensor]
    """Per layer, (vectors, D)."""
    values: list[Tensor]
    layers: int
    heads: int
    """N."""
    narrow: bool
    chunk: int
    reading_width: int
    home_step: int

    def attended(self, at: "Pass", layer: int, query: Tensor) -> Tensor | None:
        """By kernels, where there are any."""

    def of_seats(self, pool: Tensor) -> Tensor: ...

    def of_home(self, pool: Tensor, at: int) -> Tensor: ...

    def rounded(self, longest: int, most: int) -> int: ...


@dataclass
class Pass:
    """Tokens that go through the decoder together: where their keys are kept, what they see."""

    slots: Kept
    own_at: Tensor
    """Where each row's own keys begin, (B,) in vectors of D numbers."""
    own_step: int
    """Vectors from one head's keys to the next one's."""
    home_at: Tensor
    """The same for the keys it shares, (B,)."""
    shared: Tensor
    """How many it shares, (B,)."""
    hide: Tensor
    """Positions [first, last) that later ones do not see, (B, 2)."""
    places: Tensor
    """Where among its row's own keys each token lies, (B, T)."""
    longest: int
    """No token lies at this place or later."""
    homes: list[tuple[int, Tensor, int]]
    """Homes in use: where each begins, the rows (numbers in 0 … B - 1) that read it, and how many
    keys of it at most; for torch alone."""
    lengths: list[int] | None = None
    """Real tokens of each row, those behind them are pads; None: one token each is written."""
    fresh: bool = False
    """Nothing stands before the tokens, and nothing is hidden."""
    silent: bool = False
    """Nothing is asked of the last block but keys and values."""
    home_lanes: Tensor | None = None
    """Tiles of the rows of each home, for kernels."""
    seats: slice | None = None
    """Whose rows these are, where one token each is written."""
    asked: int = 1
    """Of so many last tokens of each row the last block's output is asked for."""

    @cached_property
    def positions(self) -> Tensor:
        """Of every token in its text, (B, T)."""
        return self.shared[:, None] + self.places

    def last_of(self, tokens: Tensor) -> Tensor:
        """Of each row's tokens (B, T, …) the last real ones, (B, asked, …)."""
        if self.lengths is None:
            return tokens
        first = torch.tensor(self.lengths, device=tokens.device)[:, None] - self.asked
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        return tokens[rows, first + torch.arange(self.asked, device=tokens.device)]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor | None:
        """Keep keys and values (B, T, N, D); what the queries (B, T, N * G, D) find, flat."""
        slots = self.slots
        slots.keys[layer].index_copy_(0, self.spots, key.flatten(0, 2))
        slots.values[layer].index_copy_(0, self.spots, value.flatten(0, 2))
        if self.fresh and not (slots.narrow or self.ends(layer)):
            return causal(query, key, value)
        return self.attend_kept(layer, query)

    def ends(self, layer: int) -> bool:
        """Whether nobody asks what is found in this layer."""
        return self.silent and layer == self.slots.layers - 1

    def attend_kept(self, layer: int, query: Tensor) -> Tensor | None:
        """The same where keys and values are kept already."""
        slots = self.slots
        if self.ends(layer):
            return None
        found = slots.attended(self, layer, query)
        if found is not None:
            return found
        if self.lengths is not None and not slots.narrow:
            kept = (pool[layer][self._all_spots] for pool in (slots.keys, slots.values))
            return causal(query, *(part.transpose(1, 2) for part in kept), self._all_seen)
        return self._in_torch(layer, query).to(query.dtype).flatten(2)

    @cached_property
    def spots(self) -> Tensor:
        """Where keys are put, (B * T * N,); pads lie behind their row, in its slot at most."""
        heads = torch.arange(self.slots.heads, device=self.places.device) * self.own_step
        places = self.places.clamp(max=self.own_step - 1)
        return ((self.own_at[:, None] + places)[..., None] + heads).flatten()

    def _in_torch(self, layer: int, query: Tensor) -> Tensor:
        """(B, T, N * G, D) → the same shape."""
        slots, (_, count, heads, size) = self.slots, query.shape
        asked = query if query.dtype == torch.float64 else query.float()
        asked = asked.unflatten(2, (slots.heads, -1)).transpose(1, 2).flatten(2, 3) * size**-0.5
        keys, values = (self._own(pool[layer]) for pool in (slots.keys, slots.values))
        group = heads // slots.heads
        if not (slots.narrow or self.homes):  # one part only
            scores = asked @ keys.transpose(-1, -2)
            scores += laned(self._own_mask, slice(None), group, asked.shape[2])
            out = scores.softmax(-1) @ values
            return out.unflatten(2, (count, -1)).transpose(1, 2).flatten(2, 3)
        found = []
        for lanes in self._lanes(asked.shape[2]):
            part = asked[:, :, lanes]
            short = OWN_LANES - part.shape[2] if slots.narrow else 0
            part = F.pad(part, (0, 0, 0, max(0, short)))
            parts = []
            for start in range(0, self.longest_home, slots.chunk):
                chunk = slice(start, min(start + slots.chunk, self.longest_home))
                parts.append(self._from_homes(layer, part, chunk, lanes, group))
            for start in range(0, keys.shape[2], slots.chunk):
                chunk = slice(start, start + slots.chunk)
                mask = laned(self._own_mask[..., chunk], lanes, group, part.shape[2])
                parts.append(part_of(part, keys[:, :, chunk], values[:, :, chunk], mask))
            found.append(joined(parts)[:, :, : lanes.stop - lanes.start])
        out = found[0] if len(found) == 1 else torch.cat(found, 2)
        return out.unflatten(2, (count, -1)).transpose(1, 2).flatten(2, 3)

    def _lanes(self, count: int) -> list[slice]:
        step = OWN_LANES if self.slots.narrow else count
        return [slice(first, min(first + step, count)) for first in range(0, count, step)]

    def _own(self, pool: Tensor) -> Tensor:
        """The rows' own keys or values, (B, N, L, D)."""
        slots = self.slots
        longest = slots.rounded(self.longest, self.own_step)
        if self.lengths is None:
            return slots.of_seats(pool)[self.seats, :, :longest]
        heads = torch.arange(slots.heads, device=pool.device)[:, None] * self.own_step
        places = torch.arange(longest, device=pool.device)
        return pool[self.own_at[:, None, None] + heads + places]

    @cached_property
    def reading_lanes(self) -> Tensor:
        """Tiles of the real tokens of each row, numbered through all rows and pads."""
        count = self.places.shape[1]
        tokens = [range(row * count, row * count + n) for row, n in enumerate(self.lengths)]
        return lanes_of(tokens, self.slots.reading_width, self.places.device)

    @cached_property
    def _all_spots(self) -> Tensor:
        """Where the keys of all positions of each row lie, (B, N, L)."""
        slots = self.slots
        positions = torch.arange(self.longest + self.longest_home, device=self.places.device)
        own = positions - self.shared[:, None]
        heads = torch.arange(slots.heads, device=self.places.device)[:, None]
        at_home = self.home_at[:, None] + positions
        at_own = self.own_at[:, None] + own.clamp(0, self.own_step - 1)
        at_home = at_home.clamp(max=slots.keys[0].shape[0] - 1)[:, None]
        return torch.where(
            (own < 0)[:, None],
            at_home + heads * slots.home_step,
            at_own[:, None] + heads * self.own_step,
        )

    @cached_property
    def _all_seen(self) -> Tensor:
        """Which positions each token sees, (B, 1, T, L) bool."""
        positions = torch.arange(self._all_spots.shape[2], device=self.places.device)
        earlier = positions <= self.positions[..., None]
        return self._seen(earlier, positions.expand(len(earlier), -1))[:, None]

    @cached_property
    def longest_home(self) -> int:
        return max((length for _, _, length in self.homes), default=0)

    @cached_property
    def _own_mask(self) -> Tensor:
        """0 where a token sees a key of its own row, else -inf, (B, T, L)."""
        longest = self.slots.rounded(self.longest, self.own_step)
        places = torch.arange(longest, device=self.places.device)
        return self._masked(places <= self.places[..., None], self.shared[:, None] + places)

    @cached_property
    def _home_mask(self) -> Tensor:
        """0 where a token sees a key of its home, (B, T, L)."""
        places = torch.arange(self.longest_home, device=self.places.device)
        seen = (places < self.shared[:, None])[:, None].expand(-1, self.places.shape[1], -1)
        return self._masked(seen, places.expand(len(seen), -1))

    def _masked(self, seen: Tensor, absolute: Tensor) -> Tensor:
        seen = self._seen(seen, absolute)
        return torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, -torch.inf)

    def _seen(self, seen: Tensor, absolute: Tensor) -> Tensor:
        """What is left of `seen`, (B, T, L), once hidden positions are hidden."""
        first, last = self.hide[:, :1], self.hide[:, 1:]
        hidden = ((absolute >= first) & (absolute < last))[:, None]
        return seen & ~(hidden & (self.positions >= last)[..., None])

    def _from_homes(
        self, layer: int, asked: Tensor, chunk: slice, lanes: slice, group: int
    ) -> Part:
        """What all rows find in one chunk of their homes; nothing, where they have none there."""
        shape = (*asked.shape[:-1], 1)
        top = asked.new_full(shape, -torch.inf)
        total, sums = torch.zeros_like(top), torch.zeros_like(asked)
        for at, rows, length in self.homes:
            if length <= chunk.start:
                continue
            keys, values = (
                self.slots.of_home(pool[layer], at)[None, :, chunk]
                for pool in (self.slots.keys, self.slots.values)
            )
            mask = laned(self._home_mask[rows][..., chunk], lanes, group, asked.shape[2])
            if self.slots.narrow:
                part = part_of(asked[rows], keys, values, mask)
            else:
                part = merged_part_of(asked[rows], keys[0], values[0], mask)
            for whole, piece in zip((top, total, sums), part, strict=True):
                whole[rows] = piece
        return top, total, sums
