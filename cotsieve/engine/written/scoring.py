"""How likely given words are after many beginnings that share a text: nothing is written.

The shared text is read once, and every beginning leaves it where it differs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.chunks import CHUNK
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.gpu.checked import walker_for
from cotsieve.engine.slots import Sizes
from cotsieve.engine.written.reading import read
from cotsieve.engine.written.rows import LeanRows, rounded
from cotsieve.engine.written.starts import Family, Start, family_of

TOGETHER = 64
"""Beginnings that are read at once."""


class Score(NamedTuple):
    """What the model says of the words after one beginning."""

    log_p: float
    """Sum of the natural logarithms of the probabilities of their tokens, at temperature 1."""
    first: bool
    """Whether each of the tokens is the most likely one, so that greedy decoding writes them."""


class Scorer:
    """Scores words with one model; of a text and its beginnings nothing else is in the sums."""

    def __init__(self, decoder: Decoder, vocabulary: int):
        self.decoder, self.vocabulary = decoder, vocabulary
        self.tokens_read = 0

    @torch.inference_mode()
    def scores(
        self, shared: Sequence[int], beginnings: Sequence[Sequence[int]], words: Sequence[int]
    ) -> list[Score]:
        """Of `words` after each beginning, most of which begin as `shared` does."""
        starts = [Start((0, 0), (*tokens, *words[:-1])) for tokens in beginnings]
        family = family_of([Start((0, 0), (*shared, words[0])), *starts])
        family = Family(family.common, family.members[1:], family.reach[1:])
        pairs = zip(starts, family.reach, strict=True)
        own = max(len(start.tokens) - reach // CHUNK * CHUNK for start, reach in pairs)
        sizes = Sizes(min(TOGETHER, len(starts)), rounded(own), 1, rounded(len(family.common)))
        decoder = self.decoder
        walker = walker_for(decoder.device, decoder.architecture, decoder.dtype)
        rows = _ScoringRows(decoder, self.vocabulary, sizes, walker)
        found = rows.scores(family, torch.tensor(words, device=decoder.device))
        self.tokens_read += rows.read
        return found


class _ScoringRows(LeanRows):
    """Rows whose starts end with the words that are scored, but for the last of them."""

    def scores(self, family: Family, words: Tensor) -> list[Score]:
        (home,) = self._read_commons([family]).values()
        places, found = self.slots.own_at.tolist(), []
        members = list(zip(family.members, family.reach, strict=True))
        for first in range(0, len(members), self.seats):
            some = members[first : first + self.seats]
            found += self._scored(
                [
                    self._left(start, reach, own_at, home)
                    for (start, reach), own_at in zip(some, places, strict=False)
                ],
                words,
            )
        return found

    def _scored(self, texts: Sequence, words: Tensor) -> list[Score]:
        self.read += sum(len(text.tokens) for text in texts)
        known: dict[int, Score] = {}
        capacity = self.sizes.capacity
        for places, hidden in read(self.decoder, self.slots, texts, capacity, asked=len(words)):
            logits = self.decoder.logits(hidden.flatten(0, 1), self.vocabulary)
            logits = logits.view(len(places), len(words), -1)
            wanted = words.expand(len(places), -1)[..., None]
            sums = logits.log_softmax(-1).gather(-1, wanted).double().sum((1, 2)).tolist()
            greedy = (logits.argmax(-1) == words).all(-1).tolist()
            known.update(zip(places, map(Score, sums, greedy), strict=True))
        return [known[place] for place in range(len(texts))]
