"""Writing on from starts with a model that the transformers library runs."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cotsieve.engine.decoding import Decoding
from cotsieve.engine.gpu.graphs import Graphs
from cotsieve.engine.library.cached_rows import CachedRows, cache_of, layers_of
from cotsieve.engine.library.model import LibraryDecoder
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.engine.written.seats import Seats
from cotsieve.engine.written.starts import Family, Start, family_of, reading_edit_of
from cotsieve.ground.faults import bad

log = logging.getLogger(__name__)

PROBE = 12
"""Tokens read twice, at once and in two parts, before anything is written."""
FAR = 0.3
"""How far the scores of the two readings may lie apart, as a part of their spread. Rounding in
16 bits gives hundredths; a model that looks ahead, or forgets, gives far more."""


class LibraryEngine(WritingEngine):
    """The writing engine around a library model; all but the memory of its rows is the same."""

    decoder: LibraryDecoder

    def __init__(self, decoder: LibraryDecoder, how: Decoding, *, batch_rows: int):
        """Where rows cannot stand in one batch, they run one by one whatever `batch_rows` says."""
        if not decoder.architecture.batched:
            log.info("%s runs one row at a time", decoder.architecture.family)
        super().__init__(decoder, how, batch_rows=batch_rows if decoder.architecture.batched else 1)

    def memory(self, waiting: Sequence[Family]) -> tuple["LibraryRows", Seats, Graphs]:
        """Seats for as many rows as are wanted; their keys are the library's."""
        rows = LibraryRows(self.decoder, self.how.vocabulary, self.batch_rows)
        return rows, Seats(self.batch_rows, self.how, self.decoder.device), Graphs(False)


class LibraryRows:
    """The seats of a run as a library model fills them: side by side, all in one cache."""

    dense = True
    look = 1
    shape = ()
    tables = ()

    def __init__(self, decoder: LibraryDecoder, vocabulary: int, seats: int):
        """`vocabulary`: so many scores are asked for."""
        self.decoder, self.vocabulary, self.seats = decoder, vocabulary, seats
        self.free_homes = self.most_members = seats
        self.read = 0
        """Tokens that went through the model before anything was written; pads do not count."""
        self._state: CachedRows | None = None

    def reset(self) -> None:
        self._state, self.read = None, 0

    def begin(self, families: Sequence[Family], seats: Sequence[int]) -> Tensor:
        """Read starts, and give scores of their first tokens, (seats, vocabulary) float32."""
        state, scores = self._begun(families)
        self._state = CachedRows.join([self._state, state]) if self._state else state
        return scores

    def count_for(self, seats: int) -> int:
        return len(self._state.lengths)

    def step(self, seats: slice, last: Tensor) -> Tensor:
        """Feed all seats a token each, (n,) int64; scores of the next, (n, vocabulary)."""
        return self.decoder.logits(self.decoder.feed(last[:, None], self._state), self.vocabulary)

    def go_on(self, seats: Tensor | slice, going: Tensor) -> None:
        """Rows that do not go on are fed on, and never looked at."""

    def fed(self) -> None: ...

    def leave(self, seats: Sequence[int], broken: Sequence[int]) -> None:
        """They leave when the others move."""

    def sparse(self, count: int, top: int) -> bool:
        return 2 * count <= len(self._state.lengths)

    def move(self, seats: Sequence[int]) -> None:
        """Seat i takes over from seat `seats[i]`, and the others leave."""
        if self._state is not None:
            chosen = torch.tensor(seats, device=self.decoder.device)
            self._state = self._state.select(chosen) if seats else None

    def alone(self, start: Start, written: Sequence[int]) -> Tensor:
        """Scores of the next token, (1, vocabulary), of a row that nothing stands beside."""
        lone = replace(start, tokens=(*start.tokens, *written))
        return self._begun([family_of([lone])])[1]

    def _begun(self, group: Sequence[Family]) -> tuple[CachedRows, Tensor]:
        """Read families: what each shares once, then the rest of every member."""
        members = [member for family in group for member in family.members]
        homes = [place for place, family in enumerate(group) for _ in family.members]
        reach = [kept for family in group for kept in family.reach]
        hides = self.decoder.architecture.batched
        if not hides and any(member.unseen for member in members):
            raise ValueError("this model cannot be kept from seeing what it has read")
        cache = self._shared(group)
        order, parts, scores = [], [], []
        for size in sorted({len(m.tokens) - r for m, r in zip(members, reach, strict=True)}):
            places = [i for i, m in enumerate(members) if len(m.tokens) - reach[i] == size]
            kept = [reach[i] for i in places]
            state = self._forked(cache, [homes[i] for i in places], kept)
            _hide(state, [members[i] for i in places], kept)
            scores.append(self._read_on([members[i] for i in places], size, state))
            parts.append(state)
            order += places
        state, found = CachedRows.join(parts), torch.cat(scores)
        back = torch.tensor(order, device=self.decoder.device).argsort()
        return (state.ordered(back), found[back]) if len(parts) > 1 else (state, found)

    def _shared(self, group: Sequence[Family]):
        """What the model remembers of each family's common text; None where there is none."""
        lengths = [len(family.common) for family in group]
        self.read += sum(lengths)
        if not max(lengths):
            return None
        padded = torch.zeros(len(group), max(lengths), dtype=torch.int64)
        for row, family in enumerate(group):
            padded[row, : len(family.common)] = torch.tensor(family.common, dtype=torch.int64)
        device = self.decoder.device
        lengths = torch.tensor(lengths, device=device)
        return self.decoder.read(
            padded.to(device), lengths, reading_edit_of([family.members[0] for family in group])
        )

    def _forked(self, cache, homes: list[int], reach: list[int]) -> CachedRows:
        """Rows that go on from the first `reach` tokens of the families they belong to."""
        device, longest = self.decoder.device, max(reach)
        lengths = torch.tensor(reach, device=device)
        places = torch.arange(longest, device=device) - (longest - lengths)[:, None]
        seen = places >= 0
        if cache is None or not self.decoder.architecture.batched:
            return CachedRows(cache, seen, lengths)
        rows, places = torch.tensor(homes, device=device)[:, None], places.clamp(min=0)
        layers = [
            tuple(part.transpose(1, 2)[rows, places].transpose(1, 2) for part in pair)
            for pair in layers_of(cache)
        ]
        return CachedRows(cache_of(layers), seen, lengths)

    def _read_on(self, members: Sequence[Start], size: int, state: CachedRows) -> Tensor:
        """Feed the last `size` tokens of every member; scores of what comes next."""
        self.read += size * len(members)
        tails = torch.tensor([member.tokens[-size:] for member in members])
        scores = self.decoder.feed(tails.to(self.decoder.device), state)
        return self.decoder.logits(scores, self.vocabulary)


def _hide(state: CachedRows, members: Sequence[Start], reach: Sequence[int]) -> None:
    """Take the hidden places of each member from the sight of what follows."""
    for row, (member, kept) in enumerate(zip(members, reach, strict=True)):
        if member.unseen:
            first, last = (place - kept for place in member.unseen)
            end = state.seen.shape[1]
            state.seen[row, end + first : end + min(last, 0)] = False


@torch.inference_mode()
def refuse_unsound(engine: LibraryEngine) -> None:
    """Raise BadInput for a model that scores a text read in parts unlike the text read at once.

    So are models that look ahead, which cannot write, and any that the library runs otherwise in a
    batch than alone.
    """
    vocabulary = engine.how.vocabulary
    text = tuple(range(1, vocabulary, max(1, vocabulary // PROBE)))[:PROBE]
    lone = torch.tensor([text], device=engine.decoder.device)
    wanted = engine.decoder.logits(engine.decoder.model(lone).logits[:, -1], vocabulary)
    starts = [Start((0, 0), text), Start((1, 0), text[:3])][: engine.batch_rows]
    families = [Family(s.tokens[: len(s.tokens) // 2], (s,), (len(s.tokens) // 2,)) for s in starts]
    found = engine.memory(families)[0].begin(families, range(len(families)))[:1]
    apart = float((found - wanted).norm() / (wanted - wanted.mean()).norm().clamp(min=1e-9))
    if not apart < FAR:
        what = f"read in two parts, a text is scored otherwise than at once (by {apart:.2f})"
        raise bad(
            engine.decoder.architecture.family, what, "Use a model that reads from left to right."
        )
