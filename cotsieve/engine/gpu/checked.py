"""Whether the kernels of this room run on a device and compute what torch computes.

Each kind is checked by itself when a model is loaded, in its format and with heads of its shape;
what cannot be relied on is left to torch, and the log says why.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from cotsieve.engine.block import parted
from cotsieve.engine.chunks import CHUNK
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.slots import Sizes, Slots
from cotsieve.weights.architecture import Architecture

log = logging.getLogger(__name__)

FAR = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far what a row finds by the kernels may lie from what torch finds."""
SURE = 1e-6
"""Tokens must be those of torch where it had a margin over this; see picking.py."""


@cache
def walker_for(device: torch.device, shape: Architecture, dtype: torch.dtype):
    """What walks over slots, or None: rows must find what torch finds for them, the same bits
    whether they share their beginning or not."""
    return _sound("attention", device, lambda them: _check_attention(them, device, shape, dtype))


def picker_for(device: torch.device, how: Decoding):
    """What chooses tokens as `how` does, or None."""
    kernels = _choosing(device)
    return kernels and kernels.picker(how)


@cache
def _choosing(device: torch.device):
    return _sound("the choice of tokens", device, lambda them: _check_tokens(them, device))


@cache
def chains_for(device: torch.device, shape: Architecture, dtype: torch.dtype):
    """What `Decoder.fuse` wants, or None; in 16 bits only, since float32 is to be torch's own."""
    if dtype not in (torch.float16, torch.bfloat16):
        return None
    return _sound("chains", device, lambda them: _check_chains(them, device, shape, dtype))


def _sound(what: str, device: torch.device, check: Callable[[Any], None]):
    """The kernels, where there is a GPU and they do what they should."""
    if device.type != "cuda":
        return None
    try:
        from cotsieve.engine.gpu import launching

        check(launching)
    except Exception as error:  # whatever a driver, a compiler or a missing library says
        why = (str(error).splitlines() or [repr(error)])[0]
        log.warning("no kernel for %s on %s, torch alone: %s", what, device, why)
        return None
    return launching


def _check_tokens(kernels, device: torch.device) -> None:
    """Over more than one part of a vocabulary: chances that are nearly even, so that all are
    looked through, many equal ones, and others."""
    draw = torch.Generator(device).manual_seed(0)
    scores = torch.randn(4, 20_000, device=device, generator=draw)
    scores *= torch.tensor([1, 2, 4, 9], device=device)[:, None]
    scores[0] = scores[0].argsort() * 2.0**-14
    scores[1] = scores[1].round()
    seeds = torch.arange(4, device=device)
    for nucleus in (None, Nucleus(0.7, 0.9), Nucleus(1.0, 1.0)):
        how = Decoding(1, frozenset(), scores.shape[1], nucleus=nucleus)
        found = kernels.picker(how)(scores, seeds, seeds)
        wanted = how.pick(scores.clone(), seeds, seeds)
        if not (found.tokens == wanted.tokens)[wanted.margins > SURE].all():
            raise RuntimeError("they choose other tokens")


def _check_chains(kernels, device, shape: Architecture, dtype: torch.dtype) -> None:
    """Of 3 tokens each; nothing may be written beside their places."""
    draw = torch.Generator(device).manual_seed(0)

    def some(*size: int) -> Tensor:
        return torch.randn(size, device=device, generator=draw).to(dtype)

    wide = some(3, 1, 2 * shape.intermediate)
    gate, up = wide.chunk(2, -1)
    _near(kernels.gated(wide), torch.nn.functional.silu(gate) * up)
    if shape.family == "gpt2":
        return
    heads, size = shape.heads + shape.kv_heads, shape.head_dim
    norm = some(heads, size) if shape.family == "qwen3" else None
    angles = 6 * torch.rand(CHUNK, size // 2, device=device, generator=draw)
    cosines, sines = angles.cos(), angles.sin()
    rotations = torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1)
    mixed, places = some(3, 1, (heads + shape.kv_heads) * size), torch.tensor([7, 0, CHUNK - 1])
    slots, again = (Slots(shape, Sizes(3, CHUNK), device=device, dtype=dtype) for _ in range(2))
    for kept in (slots, again):
        kept.places[:] = places.to(device)
    at = slots.step(slice(0, 3), CHUNK, [])
    here = [table[at.positions][..., None, :] for table in rotations]
    query, key, value = parted(mixed, shape, norm, (here[0], here[1]))
    at.attend(0, query, key, value)
    other = again.step(slice(0, 3), CHUNK, [])
    _near(kernels.turned(other, 0, mixed, shape, norm, rotations), query)
    for found, wanted in ((again.keys, slots.keys), (again.values, slots.values)):
        _near(found[0], wanted[0])
        if not torch.equal(found[0] == 0, wanted[0] == 0):
            raise RuntimeError("they write at other places")


def _near(found: Tensor, wanted: Tensor) -> None:
    """Both must be the same but for roundings."""
    found, wanted = found.float(), wanted.float()
    if not (found - wanted).abs().max() <= FAR[torch.float16] * wanted.abs().max():
        raise RuntimeError("they compute something else")


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
