"""What hiding a sentence does to every later token: attention suppression.

After "Thought Anchors" (arXiv 2506.19143): the keys of a sentence are hidden from its own tokens
and all later ones, and the predictions compared with those of the text as it is. The comparison is
that of whole distributions, in float32; the published form is in `published_kl`.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside.branches import Course, go_on, read_course
from cotsieve.engine.inside.cells import Range
from cotsieve.engine.inside.published_kl import published_kl
from cotsieve.ground.faults import bad

SCORES = 2**26
"""Scores of the vocabulary that are in memory at once."""
ROWS = 8
"""Sentences hidden in one batch: they begin together, so each more costs some tokens twice."""


class Suppression:
    """A text of which sentences are hidden; `tokens_read` counts what that cost."""

    def __init__(
        self,
        decoder: Decoder,
        tokens: Sequence[int],
        *,
        temperature: float = 1.0,
        heads: Tensor | None = None,
        published: bool = False,
        rows: int = ROWS,
    ):
        """`heads`: which ones do not see the sentence, (layers, heads) bool; None: all. With
        `published` the KL of the published code."""
        self._decoder, self._rows = decoder, rows
        self._temperature, self._heads = temperature, heads
        self._measure = published_kl if published else divergence
        self._ids = torch.tensor(tokens, device=decoder.device)
        places = torch.arange(len(tokens), device=decoder.device)
        self._inputs = decoder.placed(decoder.embed(self._ids), places)
        self._course: Course = read_course(decoder, tokens, streams=False)
        self.tokens_read = len(tokens)

    def divergences(self, sentences: Sequence[Range]) -> Tensor:
        """How far the prediction behind each token moves with each sentence hidden, in nats:
        (sentences, T) float32, zeros before the sentence. Raises BadInput for the first token,
        without which there is nothing to see."""
        found = torch.zeros(len(sentences), self._course.length)
        for sentence, (first, last) in enumerate(sentences):
            if first < 1 and last > 0:
                what = f"sentence {sentence} holds the first token of the text"
                raise bad("suppression", what, "Leave it out: every token sees the first.")
        order = sorted((s for s in range(len(sentences)) if _some(sentences[s])),
                       key=lambda s: sentences[s])  # fmt: skip
        for at in range(0, len(order), self._rows):
            chosen = order[at : at + self._rows]
            start = sentences[chosen[0]][0]
            batch = [sentences[sentence] for sentence in chosen]
            for places, values in self._batch(batch, start):
                for row, sentence in enumerate(chosen):
                    found[sentence, places] = values[row].cpu()
        for sentence, (first, _) in enumerate(sentences):
            found[sentence, :first] = 0
        return found

    @torch.inference_mode()
    def _batch(self, sentences: Sequence[Range], start: int) -> Iterator[tuple[slice, Tensor]]:
        """Stretches of tokens and their divergences, (rows, tokens)."""
        rows, length = len(sentences), self._course.length
        ends = torch.tensor(sentences, device=self._ids.device)
        places = torch.arange(length, device=self._ids.device)
        keys = (places >= ends[:, :1]) & (places < ends[:, 1:])

        def hidden(layer: int) -> Tensor | None:
            unseen = keys[:, None, None]
            return unseen if self._heads is None else unseen & self._heads[layer][:, None, None]

        inputs = self._inputs[start:].expand(rows, -1, -1)
        after = go_on(self._decoder, self._course, inputs, start, hidden=hidden)
        self.tokens_read += rows * (length - start)
        vocabulary = self._decoder.architecture.vocabulary
        size = max(1, SCORES // (vocabulary * (rows + 1)))
        for at in range(start, length, size):
            places = slice(at, min(at + size, length))
            base = self._decoder.logits(self._course.hidden[places], vocabulary)
            given = after[:, places.start - start : places.stop - start]
            changed = self._decoder.logits(given.flatten(0, 1), vocabulary)
            yield places, self._measure(base, changed.unflatten(0, (rows, -1)), self._temperature)


def divergence(base: Tensor, changed: Tensor, temperature: float) -> Tensor:
    """KL of the distribution of scores `changed` (R, T, V) from that of `base` (T, V), (R, T).

    In nats, over the whole vocabulary, without the difference of two sums that would drown a small
    one: every term is at least 0.
    """
    was = (base / temperature).log_softmax(-1)
    ratio = (changed / temperature).log_softmax(-1) - was
    share = was.exp()
    near = share * (ratio.expm1() - ratio)
    far = (was + ratio).exp() - share - share * ratio
    return torch.where(ratio.abs() < 1, near, far).sum(-1).clamp(min=0)


def _some(sentence: Range) -> bool:
    return sentence[0] < sentence[1]
