"""Starts read into slots, in pieces: the memory for it does not grow with the starts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.attention import Pass
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.slots import Slots
from cotsieve.engine.written.starts import Start, reading_edit_of

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
    home_at: int = 0
    """Where the keys begin that it shares, and how many they are."""
    shared: int = 0

    @property
    def fresh(self) -> bool:
        """Whether nothing stands before it, and nothing of it is hidden."""
        return not (self.place or self.shared or self.start.unseen)


def read(
    decoder: Decoder,
    slots: Slots,
    texts: Sequence[Text],
    own_step: int,
    silent: bool = False,
    asked: int = 1,
) -> Iterator[tuple[list[int], Tensor | None]]:
    """Read texts in pieces; yields which of them are read, and the hidden states of their last
    tokens, (n, asked, H)."""
    most = TOKENS_AT_ONCE.get(slots.device.type, TOKENS_AT_ONCE["cuda"])
    for places in _batches(texts, most):
        batch = [texts[place] for place in places]
        longest = max(len(text.tokens) for text in batch)
        edit = reading_edit_of([text.start for text in batch])
        whole = edit or asked > 1  # an edit wants its whole span, and so do several last tokens
        size = longest if whole or len(batch) > 1 else most
        for first in range(0, longest, size):
            inputs, at = _piece(slots, batch, first, min(size, longest - first), own_step, silent)
            hidden = decoder.run(decoder.embed(inputs), replace(at, asked=asked), edit)
        yield places, hidden


def _piece(
    slots: Slots,
    batch: Sequence[Text],
    first: int,
    count: int,
    own_step: int,
    silent: bool,
) -> tuple[Tensor, Pass]:
    """Tokens [first, first + count) of some texts, padded, and where they go."""
    device = slots.device
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
            homes.setdefault(text.home_at, []).append(row)
    at = Pass(
        slots,
        told(lambda text: text.own_at),
        own_step,
        told(lambda text: text.home_at),
        told(lambda text: text.shared),
        told(lambda text: text.start.unseen or (0, 0)),
        places,
        max(text.place for text in batch) + first + count,
        [
            (home, torch.tensor(some, device=device), max(batch[row].shared for row in some))
            for home, some in homes.items()
        ],
        lengths=[len(row) for row in rows],
        fresh=first == 0 and all(text.fresh for text in batch),
        silent=silent,
    )
    return torch.tensor(padded, device=device), at


def _batches(texts: Sequence[Text], most: int) -> Iterator[list[int]]:
    """Texts of a kind, longest first, at most `most` tokens once padded; one text at least."""
    order = sorted(range(len(texts)), key=lambda i: (texts[i].fresh, -len(texts[i].tokens)))
    batch: list[int] = []
    for place in order:
        if batch:
            first = texts[batch[0]]
            same = first.fresh == texts[place].fresh
            if not same or len(first.tokens) * (len(batch) + 1) > most:
                yield batch
                batch = []
        batch.append(place)
    if batch:
        yield batch
