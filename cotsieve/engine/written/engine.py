"""The writing engine around the lean decoder: how much memory its rows get, and who runs them."""

from collections.abc import Iterator, Sequence

import torch

from cotsieve.engine.chunks import CHUNK
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Decoding, Finished
from cotsieve.engine.devices import free_bytes
from cotsieve.engine.gpu.checked import picker_for, walker_for
from cotsieve.engine.gpu.graphs import Graphs
from cotsieve.engine.slots import Sizes, place_bytes
from cotsieve.engine.written.rows import LeanRows, rounded
from cotsieve.engine.written.run import Run
from cotsieve.engine.written.seats import Seats
from cotsieve.engine.written.starts import Family

NEAR_TIE = 1e-3
NEAR_EDGE = 1e-5
"""Where the best two logits of a greedy row, or the draw of a sampled row and an edge of its
distribution, come closer than this, the scores of that token are computed anew with the row alone:
two batches may disagree on them in the last bits of float32, and results must not depend on the
batch. In narrower formats a row's sums are its own in every batch, and nothing is settled."""


class WritingEngine:
    """Writes on from starts with one model."""

    def __init__(self, decoder: Decoder, how: Decoding, *, batch_rows: int):
        self.decoder = decoder
        self.how = how
        self.batch_rows = batch_rows
        self.tokens_read = 0
        """Tokens that went through the model before anything was written; pads do not count."""
        self.settled = 0
        """Tokens whose scores were computed anew."""
        self._kept: tuple[LeanRows, Seats, Graphs] | None = None

    @torch.inference_mode()
    def run(self, waiting: Sequence[Family]) -> Iterator[list[Finished]]:
        """Yield rows as they end, each exactly once; families are taken longest first.

        Where memory runs out, fewer rows are read or fed together; what does not fit alone has
        failed.
        """
        rows, seats, graphs = self.memory(waiting)
        rows.reset()
        seats.reset(self.near())
        run, read, settled = Run(rows, seats, graphs, waiting), self.tokens_read, self.settled
        for finished in run.batches():
            self.tokens_read, self.settled = read + rows.read, settled + run.settled
            yield finished

    def memory(self, waiting: Sequence[Family]) -> tuple[LeanRows, Seats, Graphs]:
        """Seats and slots for these starts: those of the last run, if they are large enough."""
        bytes_each = place_bytes(self.decoder.architecture, self.decoder.dtype)
        sizes = self._sizes(waiting, free_bytes(self.decoder.device) // bytes_each)
        if self._kept is None or not self._kept[0].sizes.hold(sizes):
            self._kept = None  # so that its memory is free
            sizes = self._sizes(waiting, free_bytes(self.decoder.device) // bytes_each)
            decoder, how = self.decoder, self.how
            walker = walker_for(decoder.device, decoder.architecture, decoder.dtype)
            picker = picker_for(decoder.device, how)
            rows = LeanRows(decoder, how.vocabulary, sizes, walker, narrow=picker is not None)
            seats = Seats(sizes.seats, how, decoder.device, picker)
            self._kept = rows, seats, Graphs(walker is not None)
        return self._kept

    def near(self) -> float:
        """The margin under which a token is settled."""
        if self.decoder.dtype != torch.float32:
            return 0.0
        return NEAR_EDGE if self.how.nucleus else NEAR_TIE

    def _sizes(self, waiting: Sequence[Family], places: int) -> Sizes:
        """As many seats as are wanted and fit; one at least, whatever it takes."""
        new = self.how.max_new_tokens
        several = [family for family in waiting if family.shares]
        members = [len(family.members) for family in waiting]
        own = [
            len(start.tokens) - (reach // CHUNK * CHUNK if family.shares else 0)
            for family in waiting
            for start, reach in zip(family.members, family.reach, strict=True)
        ]
        seats = max(1, min(self.batch_rows, sum(members)))
        capacity = rounded(max(own, default=0) + new)
        home = rounded(max((len(family.common) for family in several), default=0))
        while seats > 1:
            homes = _homes(several, seats)
            if seats * capacity + homes * home <= places:
                return Sizes(seats, capacity, homes, home)
            seats = min(seats - 1, max(1, (places - homes * home) // capacity))
        longest = max((len(f.members[0].tokens) for f in waiting), default=0)
        return Sizes(1, rounded(longest + new))


def _homes(families: Sequence[Family], seats: int) -> int:
    """Homes that keep so many seats busy, with some to spare for rows that stay long."""
    count, left = 0, seats
    for size in sorted(len(family.members) for family in families):
        if left <= 0:
            return count + min(4, len(families) - count)
        count, left = count + 1, left - size
    return count
