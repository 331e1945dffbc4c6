"""Whether the kernels of this package run on a device and compute what torch computes."""

import logging
from functools import cache

import torch
from torch import Tensor

from cotsieve.engine.attention import CHUNK
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.slots import Sizes, Slots
from cotsieve.weights.architecture import Architecture

log = logging.getLogger(__name__)

FAR = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far what a row finds by the kernels may lie from what torch finds."""


@cache
def kernels_for(device: torch.device, shape: Architecture, dtype: torch.dtype):
    """The module of kernels, or None on a CPU and where they cannot be relied on, as the log says.

    Checked with heads of the model's shape: rows must find what torch finds for them, the same bits
    whether they share their beginning or not, and tokens must be those of torch.
    """
    if device.type != "cuda":
        return None
    try:
        from cotsieve.engine import kernels

        _check_tokens(kernels, device)
        _check_attention(kernels, device, shape, dtype)
    except Exception as error:  # whatever a driver, a compiler or a missing library says
        why = (str(error).splitlines() or [repr(error)])[0]
        log.warning("no kernels on %s, torch alone: %s", device, why)
        return None
    return kernels


def _check_tokens(kernels, device: torch.device) -> None:
    draw = torch.Generator(device).manual_seed(0)
    scores = 3 * torch.randn(8, 5000, device=device, generator=draw)
    seeds = torch.arange(8, device=device)
    for nucleus in (None, Nucleus(0.7, 0.9), Nucleus(1.0, 1.0)):
        how = Decoding(1, frozenset(), 5000, nucleus=nucleus)
        found = kernels.picker(how)(scores, seeds, seeds)
        wanted = how.pick(scores.clone(), seeds, seeds)
        if not torch.equal(found.tokens, wanted.tokens):
            raise RuntimeError("they choose other tokens")


def _check_attention(kernels, device, shape: Architecture, dtype: torch.dtype) -> None:
    found = {
        (shared, walker): _found(walker, device, shape, dtype, shared)
        for shared in (0, CHUNK)
        for walker in (kernels, None)
    }
    for shared in (0, CHUNK):
        mine, wanted = found[shared, kernels].float(), found[shared, None].float()
        if not (mine - wanted).norm() <= FAR[dtype] * wanted.norm():
            raise RuntimeError("they find something else behind a text")
    if not torch.equal(found[0, kernels], found[CHUNK, kernels]):
        raise RuntimeError("rows that share their beginning find something else")


def _found(kernels, device, shape: Architecture, dtype: torch.dtype, shared: int) -> Tensor:
    """What 3 rows find behind one text of random keys, of which they share so many."""
    slots = Slots(shape, Sizes(3, 2 * CHUNK, 1, CHUNK), device=device, dtype=dtype, kernels=kernels)
    draw = torch.Generator(device).manual_seed(0)

    def some(*size: int) -> Tensor:
        return torch.randn(size, device=device, generator=draw).to(dtype)

    heads, size = shape.kv_heads, shape.head_dim
    home = slots.home_place(0)
    for pool in (slots.keys[0], slots.values[0]):
        text = some(heads, 2 * CHUNK, size)
        slots.of_home(pool, home)[:] = text[:, :CHUNK]
        slots.of_seats(pool)[:, :, : 2 * CHUNK - shared] = text[:, shared:]
    slots.home_at[:], slots.shared[:] = home, shared
    slots.places[:] = torch.tensor([CHUNK + 5, 2 * CHUNK - 2, CHUNK], device=device) - shared
    rows = torch.arange(3, device=device)
    slots.gather([[0, 1, 2]] if shared else [])
    at = slots.step(slice(0, 3), 2 * CHUNK - shared, [(home, rows, shared)] if shared else [])
    query = some(3, 1, shape.heads, size)
    return at.attend(0, query, some(3, 1, heads, size), some(3, 1, heads, size)).view(3, -1)
