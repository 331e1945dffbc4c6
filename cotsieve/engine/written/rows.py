"""Rows of the lean decoder: their starts read into slots, and one token of all of them fed.

What several rows begin with is read once, into a home. Starts are read in pieces of so many tokens,
so that the memory for reading does not depend on how many rows there are, or how long.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.attention import CHUNK, Pass
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.slots import Sizes, Slots
from cotsieve.engine.written.starts import Family, Start, reading_edit_of

TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 16_384}
"""Padded tokens that are read together: on a CPU what stays in its caches, on a GPU what keeps it
busy."""


class Text(NamedTuple):
    """Tokens to read into a seat, or into a home."""

    start: Start
    tokens: Sequence[int]
    own_at: int
    """Where their keys go, as a vector of the slots."""
    place: int
    """Of the first among the keys there."""
    home: int | None = None
    shared: int = 0


@dataclass
class Home:
    """A beginning in use."""

    at: int
    seats: dict[int, int]
    """Seat → how many keys it shares."""


class LeanRows:
    """The seats of a run as the lean decoder fills them."""

    dense = False
    """Whether rows must stand side by side."""
    look = None
    """Passes between two looks at the rows; None: as many as the device likes."""

    def __init__(self, decoder: Decoder, vocabulary: int, sizes: Sizes, kernels=None):
        """`vocabulary`: so many scores are asked for."""
        self.decoder, self.vocabulary, self.sizes = decoder, vocabulary, sizes
        self.seats = sizes.seats
        self.slots = Slots(
            decoder.architecture, sizes, device=decoder.device, dtype=decoder.dtype, kernels=kernels
        )
        self.read = 0
        """Tokens that went through the model before anything was written; pads do not count."""
        self._free = list(range(sizes.homes))
        self._homes: dict[int, Home] = {}
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
        self._free, self._homes, self._lengths = list(range(self.sizes.homes)), {}, {}
        self._gather()

    def begin(self, families: Sequence[Family], seats: Sequence[int]) -> Tensor:
        """Read starts, and give scores of their first tokens, (seats, vocabulary) float32.

        When memory runs out, nothing has happened.
        """
        slots, taken, waiting = self.slots, iter(seats), []
        own_at = dict(zip(seats, slots.own_at[list(seats)].tolist(), strict=True))
        homes = self._read_commons([f for f in families if len(f.members) > 1])
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
            self._free += [home for home in homes.values() if home not in self._homes]

    def _left(self, start: Start, reach: int, own_at: int, home: int | None) -> Text:
        """What of a start is still to be read once its home is."""
        if home is None:
            return Text(start, start.tokens, own_at, 0)
        shared = reach // CHUNK * CHUNK
        self._copy(home, own_at, range(shared, reach))
        return Text(start, start.tokens[reach:], own_at, reach - shared, home, shared)

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
        return self.decoder.logits(hidden[:, 0], self.vocabulary)

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

        Of broken ones nothing must stay: a mask hides what is large, not what is no number.
        """
        if broken:
            self.slots.clear(broken)
        self.slots.shared[torch.tensor(seats, device=self.slots.device)] = 0
        for seat in seats:
            self._lengths.pop(seat, None)
        for number, home in list(self._homes.items()):
            home.seats = {s: shared for s, shared in home.seats.items() if s not in seats}
            if not home.seats:
                self._free.append(number)
                del self._homes[number]
        self._gather()

    def move(self, seats: Sequence[int]) -> None:
        """Seat i takes over from seat `seats[i]`."""
        self.slots.move(seats)
        new = {old: place for place, old in enumerate(seats)}
        self._lengths = {new[seat]: length for seat, length in self._lengths.items()}
        for home in self._homes.values():
            home.seats = {new[seat]: shared for seat, shared in home.seats.items()}
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
        homes = list(self._homes.values())
        self._groups = [
            (
                home.at,
                torch.tensor(sorted(home.seats), device=self.slots.device),
                max(home.seats.values()),
            )
            for home in homes
        ]
        self.slots.gather([sorted(home.seats) for home in homes])

    def _read_commons(self, families: Sequence[Family]) -> dict[int, int]:
        """Read what each family shares, once; family by id → its home."""
        homes = {id(family): self._free.pop() for family in families}
        try:
            texts = [
                Text(Start((0, 0), ()), family.common, self.slots.home_place(homes[id(family)]), 0)
                for family in families
                if family.common
            ]
            for _ in self._passes(texts, self.sizes.home_capacity, silent=True):
                pass
        except BaseException:
            self._free += homes.values()
            raise
        return homes

    def _copy(self, home: int, own_at: int, places: range) -> None:
        """Give a row what it shares beyond the last whole chunk; the same sums as if alone."""
        if places:
            among = torch.arange(len(places), device=self.slots.device)
            source = self.slots.home_place(home) + places.start + among
            self.slots.copy(source, self.sizes.home_capacity, own_at + among, self.sizes.capacity)

    def _seat(self, waiting: Sequence[tuple[int, Text]]) -> None:
        slots, device = self.slots, self.slots.device
        chosen = torch.tensor([seat for seat, _ in waiting], device=device)
        texts = [text for _, text in waiting]
        slots.home_at[chosen] = torch.tensor([self._home_at(text) for text in texts], device=device)
        slots.shared[chosen] = torch.tensor([text.shared for text in texts], device=device)
        slots.hide[chosen] = torch.tensor([t.start.unseen or (0, 0) for t in texts], device=device)
        filled = [text.place + len(text.tokens) for text in texts]
        slots.places[chosen] = torch.tensor(filled, device=device) - 1
        for (seat, text), length in zip(waiting, filled, strict=True):
            self._lengths[seat] = length + 1 - self._steps
            if text.shared:
                home = Home(slots.home_place(text.home), {})
                self._homes.setdefault(text.home, home).seats[seat] = text.shared
        self._gather()

    def _home_at(self, text: Text) -> int:
        return self.slots.home_place(text.home) if text.shared else 0

    def _scores(self, texts: Sequence[Text]) -> Tensor:
        """Read texts into seats; scores behind each, in their order."""
        order, found = [], []
        for places, hidden in self._passes(texts, self.sizes.capacity):
            order += places
            found.append(self.decoder.logits(hidden, self.vocabulary))
        scores = torch.cat(found)
        return scores[torch.tensor(order, device=scores.device).argsort()]

    def _passes(
        self, texts: Sequence[Text], own_step: int, silent: bool = False
    ) -> Iterator[tuple[list[int], Tensor | None]]:
        """Read texts in pieces; yields which of them are read, and the hidden states of their last
        tokens, (n, H)."""
        self.read += sum(len(text.tokens) for text in texts)
        most = TOKENS_AT_ONCE.get(self.slots.device.type, TOKENS_AT_ONCE["cuda"])
        for places in _batches(texts, most):
            batch = [texts[place] for place in places]
            longest = max(len(text.tokens) for text in batch)
            edit = reading_edit_of([text.start for text in batch])
            size = longest if edit or len(batch) > 1 else most  # an edit wants its whole span
            for first in range(0, longest, size):
                inputs, at = self._piece(batch, first, min(size, longest - first), own_step, silent)
                hidden = self.decoder.run(self.decoder.embed(inputs), at, edit)
            if silent:
                yield places, None
            else:
                last = torch.tensor([n - 1 for n in at.lengths], device=hidden.device)
                yield places, hidden[torch.arange(len(batch), device=hidden.device), last]

    def _piece(
        self, batch: Sequence[Text], first: int, count: int, own_step: int, silent: bool
    ) -> tuple[Tensor, Pass]:
        """Tokens [first, first + count) of some texts, padded, and where they go."""
        device = self.slots.device
        rows = [text.tokens[first : first + count] for text in batch]
        # Filled up with a token of its own, a text is untouched by weights that only others use.
        padded = [[*row, *[row[0]] * (count - len(row))] for row in rows]

        def told(of: Callable[[Text], object]) -> Tensor:
            return torch.tensor([of(text) for text in batch], device=device)

        begun = told(lambda text: text.place + first)
        places = begun[:, None] + torch.arange(count, device=device)
        homes: dict[int, list[int]] = {}
        for row, text in enumerate(batch):
            if text.shared:
                homes.setdefault(self._home_at(text), []).append(row)
        at = Pass(
            self.slots,
            told(lambda text: text.own_at),
            own_step,
            told(self._home_at),
            told(lambda text: text.shared),
            told(lambda text: text.start.unseen or (0, 0)),
            places,
            max(text.place for text in batch) + first + count,
            [
                (home, torch.tensor(some, device=device), max(batch[row].shared for row in some))
                for home, some in homes.items()
            ],
            lengths=[len(row) for row in rows],
            fresh=first == 0 and all(_is_fresh(text) for text in batch),
            silent=silent,
        )
        return torch.tensor(padded, device=device), at


def rounded(tokens: int) -> int:
    """Tokens a slot must have room for: whole chunks."""
    return -(-tokens // CHUNK) * CHUNK


def _is_fresh(text: Text) -> bool:
    return not (text.place or text.shared or text.start.unseen)


def _batches(texts: Sequence[Text], most: int) -> Iterator[list[int]]:
    """Texts of a kind, longest first, at most `most` tokens once padded; one text at least."""
    order = sorted(range(len(texts)), key=lambda i: (_is_fresh(texts[i]), -len(texts[i].tokens)))
    batch: list[int] = []
    for place in order:
        if batch:
            first = texts[batch[0]]
            same = _is_fresh(first) == _is_fresh(texts[place])
            if not same or len(first.tokens) * (len(batch) + 1) > most:
                yield batch
                batch = []
        batch.append(place)
    if batch:
        yield batch
