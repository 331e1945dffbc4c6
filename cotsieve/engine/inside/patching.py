"""Activation patching: a run in which some activations are put in place of those of another run.

After "From Reasoning to Answer" (EMNLP 2025), section 7. Of two texts, the clean one has the
activations and the corrupted one gets them; places are aligned one to one. What a patch does is
read from the scores of two answer tokens behind the last position.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside.branches import go_on, read_course
from cotsieve.engine.inside.cells import Range

TOKENS = 2**14
"""Tokens that are computed in one batch of patched runs."""


class Scores(NamedTuple):
    """What stands behind the last position, of one run: of the clean answer and the other."""

    logits: tuple[float, float]
    log_probs: tuple[float, float]
    ranks: tuple[int, int]
    """Tokens with a higher score."""

    @property
    def difference(self) -> float:
        return self.logits[0] - self.logits[1]


@dataclass(frozen=True)
class Places:
    """Places of the corrupted text, and those of the clean one they are aligned with."""

    corrupted: Range
    clean: Range

    @classmethod
    def same(cls, first: int, last: int) -> "Places":
        """In texts that are aligned token by token."""
        return cls((first, last), (first, last))


class Patching:
    """Two texts that have been read; every patch computes only what follows it."""

    def __init__(
        self,
        decoder: Decoder,
        clean: Sequence[int],
        corrupted: Sequence[int],
        answers: tuple[int, int],
    ):
        """`answers`: the first token of the clean text's answer, and of the corrupted one's."""
        self._decoder, self._answers = decoder, answers
        self._clean, self._corrupted = (read_course(decoder, ids) for ids in (clean, corrupted))
        self.clean, self.corrupted = (
            self._scores(course.hidden[-1:])[0] for course in (self._clean, self._corrupted)
        )

    def streams(self, layer: int, places: Sequence[Places]) -> list[Scores]:
        """The residual stream that enters a layer, patched at each of the places."""
        mine, theirs = self._corrupted.entering[layer], self._clean.entering[layer]
        found = [self.corrupted] * len(places)
        changing = [n for n, at in enumerate(places) if _differ(mine, theirs, at)]
        for chosen, start in self._batches(changing, places):
            rows = mine[start:].repeat(len(chosen), 1, 1)
            for row, n in zip(rows, chosen, strict=True):
                (first, last), clean = places[n].corrupted, slice(*places[n].clean)
                row[first - start : last - start] = theirs[clean]
            after = go_on(self._decoder, self._corrupted, rows, start, layer=layer, only_last=True)
            for n, scores in zip(chosen, self._scores(after[:, -1]), strict=True):
                found[n] = scores
        return found

    def heads(self, layer: int, places: Sequence[Places]) -> list[Scores]:
        """What one head of a layer found, patched at all the places; for every head."""
        shape = self._decoder.architecture
        count, size = shape.heads, shape.head_dim
        mine, theirs = self._corrupted.found[layer], self._clean.found[layer]
        start = min(at.corrupted[0] for at in places)
        patched = mine[start:].repeat(count, 1, 1).unflatten(2, (count, size))
        clean = theirs.unflatten(1, (count, size))
        for at in places:
            first, last = (place - start for place in at.corrupted)
            for head in range(count):
                patched[head, first:last, head] = clean[slice(*at.clean), head]

        rows = self._corrupted.entering[layer][start:].expand(count, -1, -1)
        after = go_on(
            self._decoder,
            self._corrupted,
            rows,
            start,
            layer=layer,
            edit=lambda at, found: (
                patched.flatten(2)[:, -found.shape[1] :] if at == layer else found
            ),
            only_last=True,
        )
        found = self._scores(after[:, -1])
        alike = [torch.equal(patched[n], mine[start:].unflatten(1, (count, size)))
                 for n in range(count)]  # fmt: skip
        return [self.corrupted if alike[n] else found[n] for n in range(count)]

    def recovered(self, scores: Scores, least: float = 1e-6) -> float | None:
        """The normalised difference of scores: 0 changes nothing, 1 is the clean run.

        None where both runs differ by less than `least`, so that there is nothing to recover.
        """
        whole = self.clean.difference - self.corrupted.difference
        if not abs(whole) >= least:
            return None
        return (scores.difference - self.corrupted.difference) / whole

    def _batches(
        self, chosen: Sequence[int], places: Sequence[Places]
    ) -> Iterator[tuple[list[int], int]]:
        """Patches that are computed together, and the first token that any of them changes."""
        waiting: list[int] = []
        length = self._corrupted.length
        for n in sorted(chosen, key=lambda n: -places[n].corrupted[0]):
            start = places[n].corrupted[0]
            if waiting and (len(waiting) + 1) * (length - start) > TOKENS:
                yield waiting, places[waiting[-1]].corrupted[0]
                waiting = []
            waiting.append(n)
        if waiting:
            yield waiting, places[waiting[-1]].corrupted[0]

    def _scores(self, hidden: Tensor) -> list[Scores]:
        logits = self._decoder.logits(hidden, self._decoder.architecture.vocabulary)
        answers = list(self._answers)
        ranks = [(logits > logits[:, answer, None]).sum(-1) for answer in answers]
        columns = logits[:, answers], logits.log_softmax(-1)[:, answers], torch.stack(ranks, 1)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [Scores(*map(tuple, row)) for row in rows]


def _differ(mine: Tensor, theirs: Tensor, at: Places) -> bool:
    """Whether a patch changes anything: one that does not is the run as it was, to the bit."""
    return not torch.equal(mine[slice(*at.corrupted)], theirs[slice(*at.clean)])
