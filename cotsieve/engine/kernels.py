"""What runs on a GPU in the place of torch: attention over slots, and the choice of tokens.

Imported only where there is such a device; `gpu.py` checks both against torch first.
"""

from typing import Any

import torch
from torch import Tensor

from cotsieve.engine import picking, walking
from cotsieve.engine.attention import CHUNK, Pass
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Picked

NARROW_BLOCK, WIDE_BLOCK = 64, 32
"""Keys that are multiplied together, in 16 and in 32 bits."""
LOG2_E = 1.4426950408889634
"""The kernels take powers of two."""


def attended(at: Pass, layer: int, query: Tensor) -> Tensor:
    """What the queries (B, T, N * G, D) of a pass find, (B, T, N * G * D)."""
    slots, (rows, count, heads, size) = at.slots, query.shape
    out = query.new_empty(rows, count, heads * size)
    query, tokens = query.flatten(0, 1), rows * count
    group, wide = heads // slots.heads, max(16, power(size))
    shape: dict[str, Any] = {
        "HEADS": heads, "G": group, "GP": power(group), "D": size, "DP": wide,
        "BLOCK": NARROW_BLOCK if slots.narrow else WIDE_BLOCK,
        "CHUNK": CHUNK, "PRECISION": "ieee",
    }  # fmt: skip
    kept = (slots.keys[layer], slots.values[layer])
    tables = (at.own_at, at.home_at, at.shared, at.places, at.hide)
    numbers = (at.own_step, slots.home_step, count, tokens, query.stride(0))

    def walked(mode: int, lanes: Tensor, chunks: int, first: int, into: tuple[Tensor, ...]) -> None:
        walking.walk[(len(lanes), slots.heads, chunks)](
            query, *into, *kept, lanes, *tables, *numbers, size**-0.5 * LOG2_E, first,
            M=lanes.shape[1] * power(group), MODE=mode, **shape, num_warps=4,
        )  # fmt: skip

    if at.lengths is not None:
        walked(walking.WHOLE, at.reading_lanes, 1, 0, (out, out, out))
        return out
    homes = -(-at.longest_home // CHUNK)
    chunks = homes + -(-at.longest // CHUNK)
    parts = torch.empty(chunks, tokens, heads, size, device=out.device)
    tops, totals = torch.empty(2, chunks, tokens, heads, device=out.device)
    if homes:
        walked(walking.HOME, at.home_lanes, homes, 0, (parts, tops, totals))
    walked(walking.OWN, slots.own_lanes[:rows], chunks - homes, homes, (parts, tops, totals))
    walking.join[(tokens, heads)](
        parts, tops, totals, out, at.shared, at.places, tokens, homes,
        HEADS=heads, D=size, DP=wide, CHUNK=CHUNK, num_warps=1,
    )  # fmt: skip
    return out


def picker(how: Decoding):
    """`how.pick` as a kernel."""

    def pick(scores: Tensor, seeds: Tensor, places: Tensor) -> Picked:
        rows, size = scores.shape
        tokens = torch.empty(rows, dtype=torch.int64, device=scores.device)
        margins = torch.empty(rows, dtype=torch.float64, device=scores.device)
        finite = torch.empty(rows, dtype=torch.int8, device=scores.device)
        told, about = (tokens, margins, finite), (size, scores.stride(0))
        if how.nucleus is None:
            picking.greedy_kernel[(rows,)](scores, *told, *about, TILE=picking.TILE, num_warps=8)
        else:
            picking.nucleus_kernel[(rows,)](
                scores, seeds, places, *told, *about, how.nucleus.temperature,
                TOP_P=min(1.0, how.nucleus.top_p), TILE=picking.TILE, num_warps=16,
            )  # fmt: skip
        return Picked(tokens, margins, finite.bool())

    return pick


def power(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()
