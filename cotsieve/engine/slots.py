"""Keys and values of rows, in slots that are allocated once and never copied while rows write.

A row has a seat, and with it a slot for the keys of its own tokens. A beginning that several rows
share lies in a home, which they read to the end; what they share beyond its last whole chunk of
keys lies in their own slots, so that a row's sums are those of the row alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.attention import Pass
from cotsieve.engine.chunks import CHUNK, OWN_LANES, READING_LANES, lanes_of
from cotsieve.weights.architecture import Architecture

WIDE = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Sizes:
    """How many slots and homes there are, and how many tokens each holds."""

    seats: int
    capacity: int
    homes: int = 0
    home_capacity: int = 0

    @property
    def places(self) -> int:
        return self.seats * self.capacity + self.homes * self.home_capacity

    def hold(self, others: "Sizes") -> bool:
        """Whether these are enough for what others need, with not many more seats."""
        mine = (self.capacity, self.homes, self.home_capacity)
        theirs = (others.capacity, others.homes, others.home_capacity)
        enough = all(a >= b for a, b in zip(mine, theirs, strict=True))
        return enough and self.seats == others.seats


def place_bytes(shape: Architecture, dtype: torch.dtype) -> int:
    """Memory that keys and values of one token take."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * dtype.itemsize


class Slots:
    """The memory of one engine; `tables` say where each seat's keys are and what it sees."""

    def __init__(
        self,
        shape: Architecture,
        sizes: Sizes,
        *,
        device: torch.device,
        dtype: torch.dtype,
        kernels=None,
    ):
        """`kernels`: what walks on a GPU, or None for torch."""
        self.sizes, self.device, self.kernels = sizes, device, kernels
        self.layers, self.heads, self.size = shape.layers, shape.kv_heads, shape.head_dim
        self.home_step = sizes.home_capacity
        self.narrow = dtype not in WIDE
        self.chunk = CHUNK if self.narrow else 2**30
        count = sizes.places * self.heads
        self.keys = [_empty(count, self.size, device, dtype) for _ in range(self.layers)]
        self.values = [_empty(count, self.size, device, dtype) for _ in range(self.layers)]
        seats = torch.arange(sizes.seats, device=device)
        self.own_at = seats * (self.heads * sizes.capacity)
        self.home_at = torch.zeros_like(self.own_at)
        self.shared = torch.zeros_like(self.own_at)
        self.places = torch.zeros_like(self.own_at)
        """Where the token lies that a seat was fed last."""
        self.hide = torch.zeros(sizes.seats, 2, dtype=torch.int64, device=device)
        group = 1 << (shape.heads // shape.kv_heads - 1).bit_length()
        self.own_width = max(1, OWN_LANES // group)
        self.reading_width = max(1, READING_LANES // group) if self.narrow else self.own_width
        """Tokens of one tile; see `lanes_of`."""
        self.own_lanes = lanes_of([[seat] for seat in range(sizes.seats)], self.own_width, device)
        self.home_lanes = torch.full_like(self.own_lanes, -1)

    @property
    def tables(self) -> list[Tensor]:
        return [self.own_at, self.home_at, self.shared, self.places, self.hide]

    def attended(self, at: Pass, layer: int, query: Tensor) -> Tensor | None:
        """What the queries of a pass find, by kernels; None where torch must walk."""
        return self.kernels.attended(at, layer, query) if self.kernels else None

    def of_seats(self, pool: Tensor) -> Tensor:
        """All slots, (seats, N, capacity, D)."""
        sizes = self.sizes
        own = pool[: sizes.seats * self.heads * sizes.capacity]
        return own.view(sizes.seats, self.heads, sizes.capacity, self.size)

    def of_home(self, pool: Tensor, at: int) -> Tensor:
        """One home, (N, home capacity, D)."""
        length = self.heads * self.sizes.home_capacity
        return pool[at : at + length].view(self.heads, -1, self.size)

    def home_place(self, home: int) -> int:
        """Where a home begins."""
        sizes = self.sizes
        return self.heads * (sizes.seats * sizes.capacity + home * sizes.home_capacity)

    def rounded(self, longest: int, most: int) -> int:
        """Keys to look at for so many: in narrow formats whole chunks."""
        return min(most, -(-longest // CHUNK) * CHUNK) if self.narrow else min(longest, most)

    def gather(self, homes: Sequence[Sequence[int]]) -> None:
        """Say which seats read which home: one list each."""
        tiles = lanes_of(homes, self.own_width, self.device)
        self.home_lanes.fill_(-1)
        self.home_lanes[: len(tiles)] = tiles

    def copy(self, source: Tensor, source_step: int, target: Tensor, target_step: int) -> None:
        """Copy keys and values of single places, given as vectors of their first heads, (n,)."""
        heads = torch.arange(self.heads, device=self.device)[:, None]
        taken, put = source + heads * source_step, target + heads * target_step
        for pool in (*self.keys, *self.values):
            pool[put] = pool[taken]

    def clear(self, seats: Sequence[int]) -> None:
        """Zeros for all that these seats have kept."""
        step = self.heads * self.sizes.capacity
        for at in self.own_at[list(seats)].tolist():
            for pool in (*self.keys, *self.values):
                pool[at : at + step] = 0

    def step(self, seats: slice, longest: int, homes: list[tuple[int, Tensor, int]]) -> Pass:
        """The pass of one more token of each of these seats; `homes` as in Pass, of all seats."""
        lanes = self.home_lanes[: seats.stop]
        if seats.start:
            near = [(at, rows - seats.start, length) for at, rows, length in homes]
            count = seats.stop - seats.start
            homes = [(at, r[(r >= 0) & (r < count)], length) for at, r, length in near]
            lanes = lanes_of([r.tolist() for _, r, _ in homes], self.own_width, self.device)
        return Pass(
            self,
            self.own_at[seats],
            self.sizes.capacity,
            self.home_at[seats],
            self.shared[seats],
            self.hide[seats],
            self.places[seats, None],
            longest,
            homes,
            home_lanes=lanes,
            seats=seats,
        )

    def move(self, seats: Sequence[int]) -> None:
        """Seat i takes over from seat `seats[i]`: its tables, or, where torch walks, its keys.

        With kernels no key is moved: a seat's slot is where its table says.
        """
        left = sorted(set(range(self.sizes.seats)) - {*seats})
        order = torch.tensor([*seats, *left], device=self.device)
        tables = self.tables
        if self.kernels is None:
            moved = [(new, old) for new, old in enumerate(seats) if new != old]
            for pool in (*self.keys, *self.values):
                slots = self.of_seats(pool)
                for new, old in moved:
                    slots[new] = slots[old]
            tables = tables[1:]
        for table in tables:
            table.copy_(table[order])


def _empty(count: int, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Zeros, since what is masked must not be NaN; on a CPU memory that is taken when used."""
    if device.type != "cpu":
        return torch.zeros(count, size, device=device, dtype=dtype)
    bits = np.zeros((count, size), f"i{dtype.itemsize}")
    return torch.from_numpy(bits).view(dtype)
