"""One run over many starts: the batch stays full, and the host seldom looks at it.

A pass feeds all rows a token and chooses the next on the device; every so many passes the host
looks, settles rows that wait for it, takes those that ended, and gives their seats to new starts.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from cotsieve.engine.decoding import Finished
from cotsieve.engine.gpu.graphs import Graphs
from cotsieve.engine.memory import OUT_OF_MEMORY, failed_for_memory, release_memory
from cotsieve.engine.written.seats import BROKEN, LIVE, UNSURE, Seats
from cotsieve.engine.written.starts import Family, Start, family_of

REFILL = 64
"""New starts are read when an eighth of the seats is empty, or after so many passes."""


class Memory(Protocol):
    """What keeps the rows' keys and values, and feeds the model; see rows.py."""

    seats: int
    dense: bool
    """Whether rows must sit side by side."""
    look: int
    """Passes between two looks at the rows."""
    free_homes: int
    """Families of several rows that can be read now."""
    most_members: int
    """Of a family that is read together."""
    shape: tuple
    """What decides the operations of a pass besides the number of rows."""
    tables: Sequence[Tensor]
    """What a pass changes besides keys and values."""

    def begin(self, families: Sequence[Family], seats: Sequence[int]) -> Tensor:
        """Read starts; scores of their first tokens, (seats, vocabulary) float32."""

    def step(self, seats: slice, last: Tensor) -> Tensor:
        """Feed these seats a token each, (n,) int64; scores of the next, (n, vocabulary)."""

    def go_on(self, seats: Tensor | slice, going: Tensor) -> None:
        """Which of the seats feed a new token next; the others would feed their last again."""

    def fed(self) -> None:
        """Every row may have one more token."""

    def alone(self, start: Start, written: Sequence[int]) -> Tensor:
        """Scores of the next token, (1, vocabulary), of a row that nothing stands beside."""

    def leave(self, seats: Sequence[int], broken: Sequence[int]) -> None:
        """These rows have ended, and of broken ones nothing must stay."""

    def move(self, seats: Sequence[int]) -> None:
        """Seat i takes over from seat `seats[i]`."""

    def count_for(self, seats: int) -> int:
        """How many seats are fed where so many are wanted."""

    def sparse(self, count: int, top: int) -> bool:
        """Whether so many rows in the first `top` seats should sit closer."""


class Run:
    """Starts that wait, and the rows that are under way."""

    def __init__(self, memory: Memory, seats: Seats, graphs: Graphs, waiting: Sequence[Family]):
        self.memory, self.seats, self.graphs = memory, seats, graphs
        self.queue = deque(sorted(waiting, key=lambda f: (-len(f.common), f.members[0].key)))
        self.room = memory.seats
        """Seats that may be taken."""
        self.starts: dict[int, Start] = {}
        """Seat → what sits there."""
        self.width = self.together = self.room
        """Rows that are fed, and starts that are read, at once."""
        self.held, self.since, self.settled = False, 0, 0
        """Whether new starts wait until rows have ended; passes since any were read; tokens whose
        scores were computed anew."""

    def batches(self) -> Iterator[list[Finished]]:
        """Rows as they end."""
        while self.queue or self.starts:
            finished = self._refill()
            for _ in range(self.memory.look if self.starts else 0):
                finished += self._advance()
            yield finished + self._look()

    def _refill(self) -> list[Finished]:
        """Read starts into empty seats."""
        free = self.room - len(self.starts)
        late = free >= self.room // 8 or self.since >= REFILL
        if not self.queue or self.held or (self.starts and not (free and late)):
            return []
        self.since, finished = 0, []
        while taken := self._taken():
            try:
                self._begin(taken)
            except OUT_OF_MEMORY as error:
                release_memory(error)
                finished += self._smaller(taken)
            if self.held:
                break
        return finished + self._look()

    def _taken(self) -> list[Family]:
        """Families that sit down next: as many as there are seats and homes for."""
        taken, free, homes = [], self.room - len(self.starts), self.memory.free_homes
        free = min(free, self.together)
        while self.queue and free:
            family = self.queue[0]
            size, most = len(family.members), self._most(free)
            if size > most:
                self.queue.popleft()
                self.queue.extendleft(reversed(self._parts(family, most)))
                continue
            if size > free or (family.shares and not homes):
                break
            taken.append(self.queue.popleft())
            free, homes = free - size, homes - family.shares
        return taken

    def _most(self, free: int) -> int:
        """Members of a family that sit down together, where so many seats are free.

        What a family shares stays read between its parts, but not in memory that is dense.
        """
        if self.memory.dense:
            free = min(self.room, self.together)
        return max(1, min(free, self.memory.most_members))

    def _parts(self, family: Family, first: int) -> tuple[Family, Family]:
        """The first members of a family, and the others."""
        if self.memory.dense or self.memory.most_members == 1:
            return family_of(family.members[:first]), family_of(family.members[first:])
        return family.parts(first)

    def _begin(self, families: Sequence[Family]) -> None:
        """Read starts and choose their first tokens. When memory runs out, nothing has happened."""
        members = [member for family in families for member in family.members]
        if self.memory.dense:
            self._move()
        seats = [seat for seat in range(self.room) if seat not in self.starts][: len(members)]
        scores = self.memory.begin(families, seats)
        chosen = torch.tensor(seats, device=scores.device)
        self.seats.take_in(
            chosen,
            torch.tensor([member.tokens[-1] for member in members], device=scores.device),
            torch.tensor([member.seed for member in members], device=scores.device),
        )
        self.starts |= zip(seats, members, strict=True)
        self.memory.go_on(chosen, self.seats.choose(scores, chosen))

    def _smaller(self, taken: list[Family]) -> list[Finished]:
        """These found no memory: fewer at once next time, or later, or never."""
        if len(taken) > 1 or len(taken[0].members) > 1:
            self.together = max(1, sum(len(family.members) for family in taken) // 2)
            self.queue.extendleft(reversed(taken))
            return []
        if self.starts:
            self.queue.appendleft(taken[0])
            self.held = True
            return []
        return [(taken[0].members[0].key, failed_for_memory())]

    def _advance(self) -> list[Finished]:
        """One more token of every row; rows for which there is no memory have failed."""
        lost, first, top = [], 0, max(self.starts, default=-1) + 1
        while first < top:
            last = min(top, first + self.width)
            try:
                self._pass(first, last, whole=self.width >= top)
            except OUT_OF_MEMORY as error:
                release_memory(error)
                if self.memory.dense:
                    self._restart()
                    return []
                if last - first > 1:
                    self.width = (last - first + 1) // 2
                    continue
                if first in self.starts:
                    lost.append((self.starts[first].key, failed_for_memory()))
                    self._leave([first], broken=[])
            first = last
        self.memory.fed()
        self.since += 1
        return lost

    def _pass(self, first: int, last: int, whole: bool) -> None:
        """Feed these seats and choose their next tokens; as one graph where all are fed."""
        if whole:
            last = self.memory.count_for(last)
        seats = slice(first, last)

        def go() -> None:
            scores = self.memory.step(seats, self.seats.last[seats])
            self.memory.go_on(seats, self.seats.choose(scores, seats))

        if whole:
            self.graphs.run(
                (last, *self.memory.shape), go, [*self.seats.tables, *self.memory.tables]
            )
        else:
            go()

    def _look(self) -> list[Finished]:
        """Settle what is not sure, and take what has ended."""
        if not self.starts:
            return []
        top = max(self.starts) + 1
        states = self.seats.look(top)
        while unsure := [seat for seat in self.starts if states[seat] == UNSURE]:
            for seat in unsure:
                self._settle(seat)
            states = self.seats.look(top)
        ended = [seat for seat in self.starts if states[seat] != LIVE]
        if not ended:
            return []
        told = self.seats.told(ended)
        finished = [(self.starts[s].key, done) for s, done in zip(ended, told, strict=True)]
        self._leave(ended, [seat for seat in ended if states[seat] == BROKEN])
        top = max(self.starts, default=-1) + 1
        if self.starts and not self.queue and self.memory.sparse(len(self.starts), top):
            self._move()
        return finished

    def _leave(self, seats: list[int], broken: list[int]) -> None:
        for seat in seats:
            del self.starts[seat]
        self.seats.empty(seats)
        self.memory.leave(seats, broken)
        self.held = False

    def _settle(self, seat: int) -> None:
        """Choose a token by scores that were computed with the row alone."""
        self.settled += 1
        scores = self.memory.alone(self.starts[seat], self.seats.text_of(seat))
        chosen = torch.tensor([seat], device=scores.device)
        self.memory.go_on(chosen, self.seats.choose(scores, chosen, settled=True))

    def _move(self) -> None:
        """Let the rows sit side by side."""
        seats = sorted(self.starts)
        if seats == list(range(len(seats))) and not self.memory.dense:
            return
        if not self.memory.dense:  # move none that need not
            late = [seat for seat in seats if seat >= len(seats)]
            seats = [n if n in self.starts else late.pop() for n in range(len(seats))]
        self.memory.move(seats)
        if seats:
            self.seats.move(torch.tensor(seats, device=self.seats.state.device))
        self.starts = {place: self.starts[seat] for place, seat in enumerate(seats)}

    def _restart(self) -> None:
        """All rows begin again, fewer of them at a time: only so is their memory free."""
        self.queue.extendleft(family_of([start]) for start in reversed(self.starts.values()))
        self.room = self.width = max(1, min(self.room, len(self.starts)) // 2)
        self.together = self.room
        self._leave(list(self.starts), broken=[])
