"""What tokens find in a chunk of keys, and the whole from its chunks: the sums of attention.

Shapes: B rows, T tokens of each, N key heads, D head size, L keys; lanes are query heads times
tokens.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 256
"""Keys that are summed up by themselves; homes are shared in whole chunks."""
OWN_LANES, READING_LANES = 16, 64
"""Query heads times tokens that are multiplied together: while text is written, and while starts
are read. Fixed, so that no sum depends on how many there are."""
Part = tuple[Tensor, Tensor, Tensor]
"""Largest score (…, 1), sum of the weights (…, 1) and weighted sum of the values (…, D)."""


def lanes_of(tokens: Sequence[Sequence[int]], width: int, device: torch.device) -> Tensor:
    """A table of tiles, (tiles, width): each of them has tokens of one list only, else -1."""
    tiles = [
        [*part, *[-1] * (width - len(part))]
        for some in tokens
        for part in (some[first : first + width] for first in range(0, len(some), width))
    ]
    return torch.tensor(tiles, dtype=torch.int32, device=device).view(-1, width)


def causal(query: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention inside texts (B, T, …), in torch's own order: each token sees those before it,
    pads coming last, or what `seen` (B, 1, T, L) says."""
    query, keys, values = (given.transpose(1, 2) for given in (query, keys, values))
    out = F.scaled_dot_product_attention(
        query, keys, values, seen, is_causal=seen is None, enable_gqa=True
    )
    return out.transpose(1, 2).flatten(2)


def laned(mask: Tensor, lanes: slice, group: int, count: int) -> Tensor:
    """The mask (B, T, L) of tokens as one of lanes, (B, 1, lanes or 1, L)."""
    if mask.shape[1] > 1:
        mask = mask.repeat_interleave(group, 1)[:, lanes]
        mask = F.pad(mask, (0, 0, 0, count - mask.shape[1]))
    return mask[:, None]


def part_of(asked: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Part:
    """Of queries (B, N, lanes, D) on keys and values (B, N, L, D)."""
    scores = asked @ keys.to(asked.dtype).transpose(-1, -2)
    scores += mask
    top = scores.amax(-1, keepdim=True)
    weights = scores.sub_(top.clamp(min=torch.finfo(top.dtype).min)).exp_()
    return top, weights.sum(-1, keepdim=True), weights @ values.to(asked.dtype)


def merged_part_of(asked: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Part:
    """The same for rows (B, N, lanes, D) of one home (N, L, D), which is read once for all."""
    rows, _, lanes, _ = asked.shape
    merged = asked.transpose(0, 1).flatten(1, 2)
    mask = mask[:, 0].expand(-1, lanes, -1).flatten(0, 1)
    return tuple(
        part.unflatten(1, (rows, lanes)).transpose(0, 1)
        for part in part_of(merged, keys, values, mask)
    )


def joined(parts: list[Part]) -> Tensor:
    """The whole from its parts, in order."""
    top, total, sums = parts[0]
    for theirs, more, added in parts[1:]:
        new = torch.maximum(top, theirs)
        base = new.clamp(min=torch.finfo(new.dtype).min)
        old, fresh = (top - base).exp(), (theirs - base).exp()
        total = total * old + more * fresh
        sums = sums * old + added * fresh
        top = new
    return sums / total
