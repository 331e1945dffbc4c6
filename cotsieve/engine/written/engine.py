"""Writing on from many starts: the batch stays full, and a common beginning is read once.

A start is a list of tokens that the model reads before it writes. Starts that begin alike form a
family: its longest common text is read once, and every member leaves it where it differs. Rows
that end make room for new ones; what the others wrote is folded into their prompts, so rows of any
age stand in one batch.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.continuations import Continuations
from cotsieve.engine.decoder import Decoder, Edit
from cotsieve.engine.decoding import Decoding, Finished, Rows, Settle, decode, join
from cotsieve.engine.memory import OUT_OF_MEMORY, failed_for_memory, release_memory

REFILL_STEPS = 64
"""Tokens written between two looks for new rows."""

NEAR_TIE = 1e-3
NEAR_EDGE = 1e-5
"""Where the best two logits of a greedy row, or the draw of a sampled row and an edge of its
distribution, come closer than this, the scores of that token are computed anew with the row alone:
two batches may disagree on them in the last bits of float32, and results must not depend on the
batch. In narrower formats batches differ by more than any such bound; there it is not done."""

LONGEST_TAIL = 64
"""A start joins a family when at most so many of its tokens are its own; each costs a step."""


@dataclass(frozen=True, eq=False)
class Start:
    """What one row reads before it writes."""

    key: tuple[int, int]
    """(problem, condition), given back with what was written."""
    tokens: tuple[int, ...]
    unseen: tuple[int, int] | None = None
    """Positions [first, last) whose keys and values are hidden from all that comes after them."""
    edit: "ReadingEdit | None" = None
    """A change to the residual stream while the start is read."""
    seed: int = 0
    """Of the uniform numbers for sampling."""


Change = Callable[[Tensor], Tensor]
"""Activations (positions, H) → new ones."""


@dataclass(frozen=True, eq=False)
class ReadingEdit:
    """Changes the residual stream at some positions of one start while it is read."""

    site: tuple[int, str]
    span: tuple[int, int]
    """Positions [first, last)."""
    change: Change

    def apply(self, block: int, side: str, row: Tensor) -> Tensor:
        """The residual stream of one start, (P, H)."""
        if (block, side) != self.site:
            return row
        row = row.clone()
        place = slice(*self.span)
        row[place] = self.change(row[place]).to(row.dtype)
        return row


@dataclass(frozen=True, eq=False)
class Family:
    """Starts that share a beginning."""

    common: tuple[int, ...]
    """Read once."""
    members: tuple[Start, ...]
    reach: tuple[int, ...]
    """How many tokens of the common text each member keeps; at least one token is its own."""

    @property
    def tail(self) -> int:
        return max(len(m.tokens) - r for m, r in zip(self.members, self.reach, strict=True))


def families(starts: Sequence[Start], most: int) -> list[Family]:
    """Group the starts of one problem, in order, by their common beginnings.

    A family has at most `most` members. A start whose reading is edited stands alone.
    """
    groups: list[list[Start]] = []
    for start in starts:
        home = next((group for group in groups if _belongs(start, group, most)), None)
        if home is None:
            groups.append([start])
        else:
            home.append(start)
    return [_family(group) for group in groups]


def _belongs(start: Start, group: list[Start], most: int) -> bool:
    first = group[0]
    if start.edit or first.edit or len(group) >= most:
        return False
    reach = _reach(start, first.tokens)
    if start.unseen and reach < start.unseen[1]:
        return False  # only places of the common text can be hidden
    return len(start.tokens) - reach <= LONGEST_TAIL


def _reach(start: Start, common: tuple[int, ...]) -> int:
    """How many tokens of a common text a start keeps; what must not see some of it is its own."""
    limit = min(len(start.tokens) - 1, len(common))
    if start.unseen:
        limit = min(limit, start.unseen[1])
    return next((i for i in range(limit) if start.tokens[i] != common[i]), limit)


def _family(group: Sequence[Start]) -> Family:
    common = group[0].tokens
    reach = tuple(_reach(start, common) for start in group)
    return Family(common[: max(reach)], tuple(group), reach)


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

    @torch.inference_mode()
    def run(self, waiting: Sequence[Family]) -> Iterator[list[Finished]]:
        """Yield rows as they end, each exactly once; families are taken longest first.

        Where memory runs out, fewer rows run together from then on, and those under way begin
        again: only so is their memory free. What does not fit alone has failed.
        """
        starts = {member.key: member for family in waiting for member in family.members}
        settle = self._settling(starts)
        queue = deque(sorted(waiting, key=lambda f: (-len(f.common), f.members[0].key)))
        active: Rows | None = None
        room = self.batch_rows
        while queue or active:
            taken: list[Family] = []
            finished: list[Finished] = []
            try:
                live = len(active.live) if active else 0
                while queue and (live == 0 or live + len(queue[0].members) <= room):
                    taken.append(queue.popleft())
                    live += len(taken[-1].members)
                active, ended = self._joined(active, taken, settle)
                taken = []
                yield ended
                if active:
                    decode(self.decoder, active, self.how, REFILL_STEPS, finished, settle)
                    active = active.folded() if active.live else None
            except OUT_OF_MEMORY as error:
                under_way = [starts[active.keys[row]] for row in active.live] if active else []
                active = None
                release_memory(error)
                again = [*([start] for start in under_way), *(family.members for family in taken)]
                if len(again) == 1:  # it was alone
                    again = [[member] for member in again[0]]
                    if len(again) == 1:
                        finished.append((again.pop()[0].key, failed_for_memory()))
                queue.extendleft(_family(group) for group in reversed(again))
                room = max(1, room // 2)
            yield finished

    def _joined(
        self, active: Rows | None, taken: list[Family], settle: Settle | None
    ) -> tuple[Rows | None, list[Finished]]:
        """The rows under way and new ones, whose first tokens are chosen here; and who ended.

        Nothing has happened to either when memory runs out.
        """
        parts = [active] if active else []
        finished: list[Finished] = []
        for group in _equally_wide(taken):
            rows = self._begun(group)
            finished += rows.choose(self.how, settle)
            if rows.live:
                parts.append(rows.folded())
        return (join(parts) if len(parts) > 1 else next(iter(parts), None)), finished

    def _settling(self, starts: Mapping[tuple[int, int], Start]) -> Settle | None:
        """How tokens that are not sure are settled; None in formats where nothing is."""
        if self.decoder.dtype != torch.float32:
            return None
        near = NEAR_EDGE if self.how.nucleus else NEAR_TIE

        def settle(key: tuple[int, int], written: list[int], gap: float) -> Tensor | None:
            if not gap < near:
                return None
            self.settled += 1
            start = starts[key]
            alone = replace(start, tokens=(*start.tokens, *written))
            return self._begun([_family([alone])]).scores

        return settle

    def _begun(self, group: list[Family]) -> Rows:
        """Read families of equal size."""
        state = self._common(group)
        members = [member for family in group for member in family.members]
        hidden = self._tails(group, state)
        scores = self.decoder.logits(hidden.flatten(0, 1), self.how.vocabulary)
        sampled = members if self.how.nucleus else []
        streams = [np.random.default_rng(member.seed) for member in sampled]
        return Rows.begin([member.key for member in members], state, scores, streams=streams)

    def _common(self, group: list[Family]) -> Continuations:
        device = self.decoder.device
        lengths = [len(family.common) for family in group]
        self.tokens_read += sum(lengths)
        padded = torch.zeros(len(group), max(1, *lengths), dtype=torch.int64)
        for row, family in enumerate(group):
            padded[row, : len(family.common)] = torch.tensor(family.common)
        prompts = self.decoder.read(
            padded.to(device), torch.tensor(lengths, device=device), reading_edit_of(group)
        )
        count = len(group[0].members)
        state = Continuations.begin(prompts, count, max(family.tail for family in group) + 1)
        reach = torch.tensor([family.reach for family in group], device=device)
        state.reach = reach
        places = torch.arange(padded.shape[1], device=device)
        hidden = places >= reach[..., None]
        for row, family in enumerate(group):
            for column, member in enumerate(family.members):
                if member.unseen:
                    hidden[row, column, member.unseen[0] : member.unseen[1]] = True
        mask = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, -torch.inf)
        state.mask = mask[:, None, :, None]
        return state

    def _tails(self, group: list[Family], state: Continuations) -> Tensor:
        """Feed every member's own tokens; all end together, so shorter ones start with pads."""
        longest = max(family.tail for family in group)
        tails = torch.zeros(len(group), state.count, longest, dtype=torch.int64)
        skip = torch.zeros(len(group), state.count, dtype=torch.int64)
        for row, family in enumerate(group):
            for column, (member, reach) in enumerate(
                zip(family.members, family.reach, strict=True)
            ):
                own = member.tokens[reach:]
                self.tokens_read += len(own)
                skip[row, column] = longest - len(own)
                tails[row, column, longest - len(own) :] = torch.tensor(own)
        device = self.decoder.device
        tails = tails.to(device)
        state.skip = skip.to(device) if bool(skip.any()) else None
        hidden = None
        for place in range(longest):
            hidden = self.decoder.step(self.decoder.embed(tails[:, :, place]), state)
        return hidden


def _equally_wide(taken: list[Family]) -> list[list[Family]]:
    """Families with as many members each can be read in one batch."""
    groups: dict[int, list[Family]] = {}
    for family in taken:
        groups.setdefault(len(family.members), []).append(family)
    return list(groups.values())


def reading_edit_of(group: list[Family]) -> Edit | None:
    """The edits of single starts, as one edit of the batch in which they are read."""
    edits = {row: family.members[0].edit for row, family in enumerate(group)}
    edits = {row: edit for row, edit in edits.items() if edit}
    if not edits:
        return None

    def edit(block: int, side: str, residual: Tensor) -> Tensor:
        rows = [
            edits[row].apply(block, side, residual[row]) if row in edits else residual[row]
            for row in range(len(residual))
        ]
        return torch.stack(rows)

    return edit
