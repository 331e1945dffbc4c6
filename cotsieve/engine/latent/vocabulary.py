"""The model's tokens as an intervention sees them: their vectors, and which of them are numbers."""

import re
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.block import at_least_float32
from cotsieve.engine.decoder import Decoder
from cotsieve.ground.faults import bad
from cotsieve.weights.tokenizer import decode

NUMBER = re.compile(r"\s?\d")
"""A token is a number when its text begins like this, as in the published interventions."""


class Vocabulary:
    """All tokens, CODI's own three included; the tokenizer is asked only when it is needed."""

    def __init__(self, decoder: Decoder, tokenizer: Any):
        self._decoder = decoder
        self._tokenizer = tokenizer

    def top(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Most likely token after each hidden state, (B, H) → ids (B,), and its lead (B,)."""
        scores = self._decoder.logits(hidden, len(self._decoder.head))
        best, ids = scores.topk(2, dim=-1)
        return ids[:, 0], best[:, 0] - best[:, 1]

    def nearest(self, hidden: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The embeddings with the largest inner product, (B, count, H), and their lead (B,)."""
        products = at_least_float32(F.linear(hidden, self._decoder.embedding.to(hidden.dtype)))
        best, ids = products.topk(count + 1, dim=-1)
        return self.embed(ids[:, :count]), best[:, count - 1] - best[:, count]

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings in float32, (…) → (…, H)."""
        return self._decoder.embed(ids).float()

    def embedding_of(self, text: str) -> Tensor:
        """Embedding of the token with this text, (H,). Raises BadInput unless it is one token."""
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        if len(ids) != 1:
            what = f"{text!r} is {len(ids)} tokens of this model"
            raise bad("token", what, "Name a text that is a single token.")
        return self.embed(torch.tensor(ids[0], device=self._decoder.device))

    @cached_property
    def numbers(self) -> Tensor:
        """Which tokens are numbers, bool (tokens,)."""
        numeric = [bool(NUMBER.match(text)) for text in self._texts]
        return torch.tensor(numeric, device=self._decoder.device)

    @cached_property
    def number_ids(self) -> frozenset[int]:
        """Tokens that begin with a digit once spaces around them are stripped."""
        texts = enumerate(self._texts)
        return frozenset(token for token, text in texts if re.match(r"\d", text.strip()))

    @cached_property
    def _texts(self) -> list[str]:
        return [decode(self._tokenizer, [token]) for token in range(len(self._decoder.head))]
