"""Reading many prompts in pieces: little is padded, and memory is bounded whatever the batch."""

from collections.abc import Iterator, Sequence

import torch

from cotsieve.engine.continuations import PROMPT_STEP, Prompts
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.products import rounded_up

TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 32_768}
"""Padded tokens that are read together: on a CPU what stays in its caches, on a GPU what keeps it
busy; a bound on memory, since the widest activations hold so many tokens."""


def read_all_but_last(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> Prompts:
    """Keys and values of all tokens of each prompt but its last; best sorted by length."""
    parts = []
    for part in _pieces(prompts, TOKENS_AT_ONCE.get(decoder.device.type, 32_768)):
        lengths = torch.tensor([len(prompt) - 1 for prompt in part])
        longest = rounded_up(max(1, int(lengths.max())), PROMPT_STEP, decoder.device)
        # Filled up with a token of its own, a prompt is untouched by weights that only others use.
        rows = [[*prompt[:-1], *[prompt[0]] * (longest + 1 - len(prompt))] for prompt in part]
        tokens = torch.tensor(rows)
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
