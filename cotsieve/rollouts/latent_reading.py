"""Reading many prompts in pieces: little is padded, and memory is bounded whatever the batch."""

from collections.abc import Iterator, Sequence

import torch

from cotsieve.models.continuations import Prompts
from cotsieve.models.transformer import Decoder

TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 32_768}
"""Padded tokens that are read together: on a CPU what stays in its caches, on a GPU what keeps it
busy; a bound on memory, since the widest activations hold so many tokens."""


def read_prompts(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> Prompts:
    """Keys and values of prompts, which may be empty, in their order; best sorted by length."""
    parts = []
    for part in _pieces(prompts, TOKENS_AT_ONCE.get(decoder.device.type, 32_768)):
        longest = max(1, *map(len, part))
        # Filled up with a token of its own, a prompt is untouched by weights that only others use.
        rows = [[*prompt, *(prompt[:1] or [0]) * (longest - len(prompt))] for prompt in part]
        tokens, lengths = torch.tensor(rows), torch.tensor([len(prompt) for prompt in part])
        parts.append(decoder.read(tokens.to(decoder.device), lengths.to(decoder.device)))
    return Prompts.join(parts)


def _pieces(prompts: Sequence[Sequence[int]], most: int) -> Iterator[list[Sequence[int]]]:
    """Neighbours of at most `most` tokens together once padded, one prompt at least."""
    piece, longest = [], 0
    for prompt in prompts:
        longest = max(longest, len(prompt))
        if piece and longest * (len(piece) + 1) > most:
            yield piece
            piece, longest = [], len(prompt)
        piece.append(prompt)
    yield piece
