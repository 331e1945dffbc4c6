"""Attention weights of some queries at a time, before and after they are summed to one.

Always in float32 (or float64), whatever format the model is in: what is read from them are shares.

Shapes: R rows (texts), B queries of a block, L keys, N key heads, H heads = N * G, D head size.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.block import at_least_float32

ON_CPU, ON_GPU = 2**22, 2**27
"""Scores that are in memory at once; on a CPU so few that its caches hold most of them."""


class Weights(NamedTuple):
    """Weights of a block of queries."""

    raw: Tensor
    """Exponentials, (R, H, B, L)."""
    scale: Tensor
    """What makes them sum to one, (R, H, B, 1)."""

    def read(self, values: Tensor) -> Tensor:
        """What the queries find, (R, B, H * D), in values (R, L, N, D)."""
        values = values.to(self.raw.dtype).transpose(1, 2)
        queries = self.raw.shape[2]
        grouped = self.raw.unflatten(1, (values.shape[1], -1)).flatten(2, 3)
        found = (grouped @ values).unflatten(2, (-1, queries)).flatten(1, 2)
        return found.mul_(self.scale).transpose(1, 2).flatten(2)


def blocks(queries: int, keys: int, heads: int, device: torch.device) -> Iterator[slice]:
    """Stretches of queries whose scores are computed together."""
    most = ON_GPU if device.type == "cuda" else ON_CPU
    size = max(16, most // (heads * max(keys, 1)))
    return (slice(at, min(at + size, queries)) for at in range(0, queries, size))


def weigh(
    query: Tensor,
    keys: Tensor,
    first: int,
    *,
    hidden: Tensor | None = None,
    scaling: float | None = None,
    cap: float | None = None,
    sink: Tensor | None = None,
) -> Weights:
    """Weights of queries (R, B, H, D) at positions from `first` on keys (R, L, N, D) from 0 on.

    No query sees a later key, nor one that is `hidden`, bool to broadcast to (R, H, B, L). The
    library's models may cap scores, and keep a part of all attention for a `sink` (H,).
    """
    query, keys = at_least_float32(query), at_least_float32(keys)
    count, last = query.shape[1], first + query.shape[1]
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    asked = (query * scaling).unflatten(2, (keys.shape[2], -1)).permute(0, 2, 3, 1, 4)
    scores = asked.flatten(2, 3) @ keys[:, :last].permute(0, 2, 3, 1)
    scores = scores.unflatten(2, (-1, count)).flatten(1, 2)
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    future = torch.ones(count, count, dtype=torch.bool, device=scores.device).triu_(1)
    scores[..., first:].masked_fill_(future, -torch.inf)
    if hidden is not None:
        scores.masked_fill_(hidden[..., :last], -torch.inf)
    top = scores.amax(-1, keepdim=True)
    if sink is not None:
        sink = at_least_float32(sink)[:, None, None].expand_as(top)
        top = torch.maximum(top, sink)
    raw = scores.sub_(top).exp_()
    total = raw.sum(-1, keepdim=True)
    if sink is not None:
        total = total + (sink - top).exp()
    return Weights(raw, 1 / total)
