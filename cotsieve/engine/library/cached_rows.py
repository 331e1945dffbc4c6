"""Keys and values of rows as a library model keeps them: every row ends at the last place.

Rows are padded on the left, so the places of one row lie side by side and a window over the last
tokens covers the same tokens in a batch as alone. Layers with such a window keep all keys too: the
mask leaves out what lies outside, and rows of any age can be put together.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class CachedRows:
    """Rows that are being read or written, each of which goes on from its last place."""

    cache: Any
    """The library's DynamicCache, per layer (rows, N, places, D); or, of a model that keeps another
    kind of memory, that memory of a single row. None before anything is read."""
    seen: Tensor
    """Whether what follows sees a place, (rows, places) bool: no pads, and nothing hidden."""
    lengths: Tensor
    """Tokens of each row, (rows,) int64."""
    count: int = 1
    """Continuations of each row; see Continuations."""

    @property
    def device(self) -> torch.device:
        return self.seen.device

    def select(self, rows: Tensor) -> "CachedRows":
        """Keep the rows named, and only the places they need."""
        if len(rows) == len(self.lengths):  # asked for in order, so it is all of them
            return self
        return self.ordered(rows)

    def ordered(self, rows: Tensor) -> "CachedRows":
        """The rows named, in that order."""
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        parts = [
            (keys[rows, :, -longest:], values[rows, :, -longest:])
            for keys, values in layers_of(self.cache)
        ]
        return CachedRows(cache_of(parts), self.seen[rows, -longest:], lengths)

    def fold(self) -> "CachedRows":
        """Rows of any age already stand side by side."""
        return self

    @classmethod
    def join(cls, parts: list["CachedRows"]) -> "CachedRows":
        """One batch of several."""
        if len(parts) == 1:
            return parts[0]
        places = max(part.seen.shape[1] for part in parts)
        stored = [layers_of(part.cache) for part in parts]
        joined = [
            tuple(torch.cat([_widened(pair[kind], places) for pair in layer]) for kind in (0, 1))
            for layer in zip(*stored, strict=True)
        ]
        seen = [F.pad(part.seen, (places - part.seen.shape[1], 0)) for part in parts]
        return cls(cache_of(joined), torch.cat(seen), torch.cat([part.lengths for part in parts]))


def layers_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values per layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def cache_of(layers: list[tuple[Tensor, Tensor]]) -> Any:
    """A cache that holds these keys and values."""
    from transformers import DynamicCache

    return DynamicCache(layers)


def _widened(rows: Tensor, places: int) -> Tensor:
    return F.pad(rows, (0, 0, places - rows.shape[2], 0))
