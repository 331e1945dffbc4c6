"""What runs on a GPU in the place of torch: attention over slots, the choice of tokens, and chains
of elementwise operations.

Imported only where there is such a device; `checked.py` compares each with torch first.
"""

from typing import Any

import torch
from torch import Tensor

from cotsieve.engine.attention import Pass
from cotsieve.engine.block import Rotation
from cotsieve.engine.chunks import CHUNK
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.gpu import chains, picking, walking
from cotsieve.engine.sampling import Nucleus, Picked
from cotsieve.weights.architecture import Architecture

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
    """`how.pick` as kernels; the scores may also be in 16 bits."""

    def pick(scores: Tensor, seeds: Tensor, places: Tensor) -> Picked:
        rows, size = scores.shape
        tokens = torch.empty(rows, dtype=torch.int64, device=scores.device)
        margins = torch.empty(rows, dtype=torch.float64, device=scores.device)
        finite = torch.empty(rows, dtype=torch.int8, device=scores.device)
        told, about = (tokens, margins, finite), (size, scores.stride(0))
        if how.nucleus is None:
            picking.greedy_kernel[(rows,)](scores, *told, *about, TILE=picking.TILE, num_warps=8)
        else:
            _sampled(how.nucleus, scores, seeds, places, told)
        return Picked(tokens, margins, finite.bool())

    return pick


def _sampled(
    nucleus: Nucleus, scores: Tensor, seeds: Tensor, places: Tensor, told: tuple[Tensor, ...]
) -> None:
    """Tokens, margins and whether they are finite, from a row's nucleus."""
    (rows, size), device = scores.shape, scores.device
    parts = -(-size // picking.PART)
    tops = torch.empty(rows, parts, device=device)
    sums = torch.empty(rows, parts, picking.LEVELS, dtype=torch.int64, device=device)
    counts = torch.empty(rows, parts, picking.LEVELS, dtype=torch.int32, device=device)
    kept, names = torch.empty(2, rows, picking.FEW, dtype=torch.int32, device=device)
    tiles: dict[str, Any] = {"TILE": picking.TILE, "PART": picking.PART, "num_warps": 8}
    levels: dict[str, Any] = {"PARTS": power(parts), "LEVELS": picking.LEVELS}
    set_: dict[str, Any] = {"TOP_P": min(1.0, nucleus.top_p), "FEW": picking.FEW}
    about, temperature = (size, scores.stride(0)), nucleus.temperature
    picking.tops_kernel[(rows, parts)](scores, tops, *about, **tiles)
    picking.sums_kernel[(rows, parts)](
        scores, tops, sums, counts, *about, temperature, **levels, **tiles
    )
    if nucleus.top_p < 1:
        picking.keep_kernel[(rows, parts)](
            scores, tops, sums, counts, kept, names, *about, temperature,
            **set_, **levels, **tiles,
        )  # fmt: skip
    picking.nucleus_kernel[(rows,)](
        scores, tops, sums, counts, kept, names, seeds, places, *told, *about, parts, temperature,
        **set_, **levels, SHORT=picking.SHORT, num_warps=8,
    )  # fmt: skip


def turned(
    at: Pass,
    layer: int,
    mixed: Tensor,
    shape: Architecture,
    head_norm: Tensor | None,
    rotations: Rotation,
) -> Tensor:
    """Queries (B, T, N * G, D) of what a block mixes, once its keys and values are kept: what
    `parted` does, and the keeping of `Pass.attend`. The rotations are those of all positions."""
    slots = at.slots
    rows, count, width = mixed.shape
    asked = mixed.new_empty(rows, count, shape.heads, shape.head_dim)
    norms = mixed if head_norm is None else head_norm
    chains.turned[(rows * count,)](
        mixed, norms, *rotations, at.positions, at.spots, asked,
        slots.keys[layer], slots.values[layer], width, shape.norm_eps,
        HEADS=shape.heads, KEYS=shape.kv_heads, ALL=power(shape.heads + 2 * shape.kv_heads),
        D=shape.head_dim, HALF=power(shape.head_dim // 2), NORMED=head_norm is not None,
        num_warps=4,
    )  # fmt: skip
    return asked


def gated(wide: Tensor) -> Tensor:
    """SiLU of the first half of (…, 2 * I) times the second, (…, I)."""
    *rows, size = wide.shape
    out = wide.new_empty(*rows, size // 2)
    grid = (out.numel() // (size // 2), -(-size // 2 // chains.WIDE))
    chains.gated[grid](wide, out, size // 2, WIDE=chains.WIDE, num_warps=4)
    return out


def power(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()
