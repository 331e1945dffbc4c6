"""What every head of a model attends to in a text that is read once.

A layer's attention is computed for some queries at a time, taken and dropped: there is never a
matrix of all tokens by all tokens.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside.cells import Cells, Hits, Taker
from cotsieve.engine.inside.weights import blocks, weigh

PIECE = 2048
"""Tokens whose queries, keys and values are computed together."""


def attention_sums(
    decoder: Decoder, tokens: Sequence[int], edges: Sequence[int]
) -> Iterator[Tensor]:
    """Layer by layer the sums of attention, (H, queries' cell, keys' cell), float32."""
    heads = decoder.architecture.heads
    return attention_taken(decoder, tokens, Cells(edges, heads, decoder.device))


def induction_scores(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> Tensor:
    """The part of all attention that goes behind earlier equal tokens, (prompts, layers, H).

    Section 6 of "From Reasoning to Answer"; each prompt are its token ids.
    """
    marked = (Hits(repeated(torch.tensor(tokens, device=decoder.device))) for tokens in prompts)
    found = [
        torch.stack([*attention_taken(decoder, tokens, hits)])
        for tokens, hits in zip(prompts, marked, strict=True)
    ]
    return torch.stack(found)


def repeated(tokens: Tensor) -> Tensor:
    """Which keys follow an earlier token equal to the query's, (T, T) bool: never key 0."""
    earlier = (tokens[:, None] == tokens).tril(-1)
    return torch.cat((torch.zeros_like(earlier[:, :1]), earlier[:, :-1]), 1)


@torch.inference_mode()
def attention_taken(decoder: Decoder, tokens: Sequence[int], taker: Taker) -> Iterator[Tensor]:
    """What `taker` takes of the attention of each layer, in order."""
    ids = torch.tensor(tokens, device=decoder.device)
    places = torch.arange(len(ids), device=decoder.device)
    residual = decoder.placed(decoder.embed(ids), places)[None]
    rotation = decoder.rotation(places, len(ids))
    for block in decoder.blocks:
        query, key, value = projected(block, residual, rotation)
        parts = []
        for part in blocks(len(ids), len(ids), query.shape[2], decoder.device):
            weights = weigh(query[:, part], key, part.start)
            taker.add(weights, part.start)
            if block is not decoder.blocks[-1]:  # nothing reads what comes out of the last one
                found = weights.read(value[:, : part.stop]).to(residual.dtype)
                parts.append(block.finish(residual[:, part], found))
        residual = torch.cat(parts, 1) if parts else residual
        yield taker.taken()


def projected(block, residual: Tensor, rotation) -> list[Tensor]:
    """Queries, keys and values of texts, (R, T, heads, D), computed a piece at a time."""
    pieces = [slice(at, at + PIECE) for at in range(0, residual.shape[1], PIECE)]
    turned = (rotation and tuple(part[piece] for part in rotation) for piece in pieces)
    found = [
        block.project(residual[:, piece], part) for piece, part in zip(pieces, turned, strict=True)
    ]
    return [torch.cat(parts, 1) for parts in zip(*found, strict=True)]
