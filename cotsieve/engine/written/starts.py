"""Starts of rows, and which of them share a beginning.

A start is a list of tokens that the model reads before it writes. Starts that begin alike form a
family: its longest common text is read once, and every member leaves it where it differs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotsieve.engine.decoder import Edit

LONGEST_TAIL = 64
"""A start joins a family when at most so many of its tokens are its own."""


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
    parted: bool = False
    """Whether these are some members of a larger family, whose common text they share."""

    @property
    def shares(self) -> bool:
        """Whether the common text is read for itself."""
        return self.parted or len(self.members) > 1

    def parts(self, first: int) -> tuple["Family", "Family"]:
        """The first so many members, and the others; the common text is the same object."""
        return (
            Family(self.common, self.members[:first], self.reach[:first], parted=True),
            Family(self.common, self.members[first:], self.reach[first:], parted=True),
        )


def families(starts: Sequence[Start]) -> list[Family]:
    """Group the starts of one problem, in order, by their common beginnings.

    A start whose reading is edited stands alone.
    """
    groups: list[list[Start]] = []
    for start in starts:
        home = next((group for group in groups if _belongs(start, group)), None)
        if home is None:
            groups.append([start])
        else:
            home.append(start)
    return [family_of(group) for group in groups]


def _belongs(start: Start, group: list[Start]) -> bool:
    first = group[0]
    if start.edit or first.edit:
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
    if start.tokens[:limit] == common[:limit]:
        return limit
    return next(i for i in range(limit) if start.tokens[i] != common[i])


def family_of(group: Sequence[Start]) -> Family:
    """The family of these starts, whose common text is the first one's beginning."""
    common = group[0].tokens
    reach = tuple(_reach(start, common) for start in group)
    return Family(common[: max(reach)], tuple(group), reach)


def reading_edit_of(starts: Sequence[Start]) -> Edit | None:
    """The edits of single starts, as one edit of the batch in which they are read."""
    edits = {row: start.edit for row, start in enumerate(starts) if start.edit}
    if not edits:
        return None

    def edit(block: int, side: str, residual: Tensor) -> Tensor:
        rows = [
            edits[row].apply(block, side, residual[row]) if row in edits else residual[row]
            for row in range(len(residual))
        ]
        return torch.stack(rows)

    return edit
