"""Rows of the lean decoder: their starts read into slots, and one token of all of them fed.

What several rows begin with is read once, into a home. Starts are read in pieces of so many tokens,
so that the memory for reading does not depend on how many rows there are, or how long.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cotsieve.engine.chunks import CHUNK
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.slots import Sizes, Slots
from cotsieve.engine.written.reading import Text, read
from cotsieve.engine.written.starts import Family, Start

LOOK = {"cpu": 4, "cuda": 16}
"""Passes between two looks at the rows."""


class LeanRows:
    """The seats of a run as the lean decoder fills them."""

    dense = False
    """Whether rows must stand side by side."""

    def __init__(
        self, decoder: Decoder, vocabulary: int, sizes: Sizes, kernels=None, narrow: bool = False
    ):
        """`vocabulary`: so many scores are asked for; `narrow`: in the format of the model."""
        self.decoder, self.vocabulary, self.sizes = decoder, vocabulary, sizes
        self.narrow = narrow
        self.seats, self.look = sizes.seats, LOOK.get(decoder.device.type, LOOK["cuda"])
        self.slots = Slots(
            decoder.architecture, sizes, device=decoder.device, dtype=decoder.dtype, kernels=kernels
        )
        if decoder.positions is None:  # no graph must see them grow
            decoder.rotations(sizes.capacity + sizes.home_capacity)
        self.read = 0
        """Tokens that went through the model before anything was written; pads do not count."""
        self._free = [self.slots.home_place(home) for home in range(sizes.homes)]
        self._homes: dict[int, dict[int, int]] = {}
        """Where a home in use begins → how many of its keys each seat shares."""
        self._texts: dict[int, Sequence[int]] = {}
        """Home → what was read into it last: other members of a family may come later."""
        self._steps = 0
        self._lengths: dict[int, int] = {}
        """Seat → places of its slot that are filled before the first step, were it always there."""
        self._groups: list[tuple[int, Tensor, int]] = []

    @property
    def free_homes(self) -> int:
        return len(self._free)

    @property
    def most_members(self) -> int:
        """Of a family that is read together."""
        return self.sizes.seats if self.sizes.homes else 1

    @property
    def tables(self) -> list[Tensor]:
        return self.slots.tables

    def reset(self) -> None:
        """All seats are empty."""
        self.read = 0
        self._free, self._homes, self._lengths = [*self._free, *self._homes], {}, {}
        self._texts = {}
        self._gather()

    def begin(self, families: Sequence[Family], seats: Sequence[int]) -> Tensor:
        """Read starts, and give scores of their first tokens, (seats, vocabulary) float32.

        When memory runs out, nothing has happened.
        """
        slots, taken, waiting = self.slots, iter(seats), []
        own_at = dict(zip(seats, slots.own_at[list(seats)].tolist(), strict=True))
        homes = self._read_commons([family for family in families if family.shares])
        try:
            for family in families:
                home = homes.get(id(family))
                for start, reach in zip(family.members, family.reach, strict=True):
                    seat = next(taken)
                    waiting.append((seat, self._left(start, reach, own_at[seat], home)))
            scores = self._scores([text for _, text in waiting])
            self._seat(waiting)
            return scores
        finally:
            used = dict.fromkeys(homes.values())
            self._free += [home for home in used if home not in self._homes]

    def _left(self, start: Start, reach: int, own_at: int, home: int | None) -> Text:
        """What of a start is still to be read once its home is."""
        if home is None:
            return Text(start, start.tokens, own_at, 0)
        shared = reach // CHUNK * CHUNK
        self._copy(home, own_at, range(shared, reach))
        return Text(
            start, start.tokens[reach:], own_at, reach - shared, home if shared else 0, shared
        )

    def count_for(self, seats: int) -> int:
        """How many seats are fed where so many are wanted; with kernels a power of two."""
        if self.slots.kernels is None:
            return seats
        return min(self.sizes.seats, 1 << (seats - 1).bit_length())

    def sparse(self, count: int, top: int) -> bool:
        """Whether so many rows in the first `top` seats should sit closer."""
        return 2 * count <= top and self.count_for(count) < self.count_for(top)

    def step(self, seats: slice, last: Tensor) -> Tensor:
        """Feed these seats a token each, (n,) int64; scores of the next, (n, vocabulary)."""
        at = self.slots.step(seats, self.longest(), self._groups)
        hidden = self.decoder.run(self.decoder.embed(last)[:, None], at)
        return self.decoder.logits(hidden[:, 0], self.vocabulary, narrow=self.narrow)

    def go_on(self, seats: Tensor | slice, going: Tensor) -> None:
        """Which of the seats feed a new token next; the others would feed their last again."""
        self.slots.places[seats] += going

    def fed(self) -> None:
        """Every row may have one more token."""
        self._steps += 1

    def longest(self) -> int:
        """No own token lies at this place or later; with kernels a power of two of chunks."""
        longest = max(self._lengths.values(), default=1 - self._steps) + self._steps
        if self.slots.kernels is None:
            return longest
        chunks = -(-longest // CHUNK)
        return min(self.sizes.capacity, CHUNK << (chunks - 1).bit_length())

    @property
    def shape(self) -> tuple[int, int]:
        """What decides the operations of a step besides the number of rows."""
        return self.longest(), max((length for *_, length in self._groups), default=0)

    def leave(self, seats: Sequence[int], broken: Sequence[int]) -> None:
        """These rows have ended; homes that nobody reads any more are free.

        An empty seat may be fed with the others, so it must lie before `longest`, too. Of broken
        ones nothing must stay: a mask hides what is large, not what is no number.
        """
        if broken:
            self.slots.clear(broken)
        chosen = torch.tensor(seats, device=self.slots.device)
        self.slots.shared[chosen], self.slots.places[chosen] = 0, 0
        for seat in seats:
            self._lengths.pop(seat, None)
        for home, readers in list(self._homes.items()):
            self._homes[home] = {s: shared for s, shared in readers.items() if s not in seats}
            if not self._homes[home]:
                self._free.append(home)
                del self._homes[home]
        self._gather()

    def move(self, seats: Sequence[int]) -> None:
        """Seat i takes over from seat `seats[i]`."""
        self.slots.move(seats)
        new = {old: place for place, old in enumerate(seats)}
        self._lengths = {new[seat]: length for seat, length in self._lengths.items()}
        for home, readers in self._homes.items():
            self._homes[home] = {new[seat]: shared for seat, shared in readers.items()}
        self._gather()

    def alone(self, start: Start, written: Sequence[int]) -> Tensor:
        """Scores of the next token, (1, vocabulary), of a row that nothing stands beside."""
        tokens = (*start.tokens, *written)
        rows = LeanRows(
            self.decoder, self.vocabulary, Sizes(1, rounded(len(tokens))), self.slots.kernels
        )
        return rows._scores([Text(start, tokens, 0, 0)])

    def _gather(self) -> None:
        """Note which seats read which home."""
        self._groups = [
            (at, torch.tensor(sorted(readers), device=self.slots.device), max(readers.values()))
            for at, readers in self._homes.items()
        ]
        self.slots.gather([sorted(readers) for readers in self._homes.values()])

    def _read_commons(self, families: Sequence[Family]) -> dict[int, int]:
        """Read what each family shares, unless it was read before; family by id → its home."""
        homes = {id(family): self._home(family) for family in families}
        texts = {
            homes[id(family)]: Text(Start((0, 0), ()), family.common, homes[id(family)], 0)
            for family in families
            if family.common and self._texts.get(homes[id(family)]) is not family.common
        }
        try:
            self.read += sum(len(text.tokens) for text in texts.values())
            waiting, step = list(texts.values()), self.sizes.home_capacity
            for _ in read(self.decoder, self.slots, waiting, step, silent=True):
                pass
        except BaseException:
            used = dict.fromkeys(homes.values())
            self._free += [home for home in used if home not in self._homes]
            raise
        self._texts |= {home: text.tokens for home, text in texts.items()}
        return homes

    def _home(self, family: Family) -> int:
        """Where the text of a family lies, or the home that was free the longest."""
        known = (home for home, text in self._texts.items() if text is family.common)
        home = next(known, None)
        if home is None:
            home = self._free.pop(0)
            self._texts[home] = ()
        elif home in self._free:
            self._free.remove(home)
        return home

    def _copy(self, home: int, own_at: int, places: range) -> None:
        """Give a row what it shares beyond the last whole chunk; the same sums as if alone."""
        if places:
            among = torch.arange(len(places), device=self.slots.device)
            source = home + places.start + among
            self.slots.copy(source, self.sizes.home_capacity, own_at + among, self.sizes.capacity)

    def _seat(self, waiting: Sequence[tuple[int, Text]]) -> None:
        slots, device = self.slots, self.slots.device
        chosen = torch.tensor([seat for seat, _ in waiting], device=device)
        texts = [text for _, text in waiting]
        slots.home_at[chosen] = torch.tensor([text.home_at for text in texts], device=device)
        slots.shared[chosen] = torch.tensor([text.shared for text in texts], device=device)
        slots.hide[chosen] = torch.tensor([t.start.unseen or (0, 0) for t in texts], device=device)
        filled = [text.place + len(text.tokens) for text in texts]
        slots.places[chosen] = torch.tensor(filled, device=device) - 1
        for (seat, text), length in zip(waiting, filled, strict=True):
            self._lengths[seat] = length + 1 - self._steps
            if text.shared:
                self._homes.setdefault(text.home_at, {})[seat] = text.shared
        self._gather()

    def _scores(self, texts: Sequence[Text]) -> Tensor:
        """Read texts into seats; scores behind each, in their order."""
        order, found = [], []
        self.read += sum(len(text.tokens) for text in texts)
        for places, hidden in read(self.decoder, self.slots, texts, self.sizes.capacity):
            order += places
            found.append(self.decoder.logits(hidden[:, 0], self.vocabulary, narrow=self.narrow))
        scores = torch.cat(found)
        return scores[torch.tensor(order, device=scores.device).argsort()]


def rounded(tokens: int) -> int:
    """Tokens a slot must have room for: whole chunks."""
    return -(-tokens // CHUNK) * CHUNK
