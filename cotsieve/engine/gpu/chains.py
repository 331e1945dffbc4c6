"""Chains of elementwise operations as one kernel each: what stands between products and attention.

Every number is rounded to 16 bits where torch rounds it, and is computed from its own token alone.
"""

import triton
import triton.language as tl

WIDE = 1024
"""Numbers of a token that a program of `gated` looks at."""


@triton.jit
def turned(
    mixed, norms, cosines, sines, positions, spots, asked, keys, values, stride, eps,
    HEADS: tl.constexpr, KEYS: tl.constexpr, ALL: tl.constexpr, D: tl.constexpr,
    HALF: tl.constexpr, NORMED: tl.constexpr,
):  # fmt: skip
    """One token: the norm of its single heads (Qwen3) and the rotary embedding; its queries go to
    `asked`, keys and values to their places in the slots. ALL and HALF are powers of two that hold
    all heads and half of one."""
    token = tl.program_id(0)
    head, lane = tl.arange(0, ALL)[:, None], tl.arange(0, HALF)[None, :]
    kind = mixed.dtype.element_ty
    half: tl.constexpr = D // 2
    held = (lane < half) & (head < HEADS + 2 * KEYS)
    at = mixed + token.to(tl.int64) * stride + head * D + lane
    first = tl.load(at, held, 0.0).to(tl.float32)
    second = tl.load(at + half, held, 0.0).to(tl.float32)
    turning = head < HEADS + KEYS
    here = turning & (lane < half)
    place = tl.load(positions + token) * D + lane
    cosine = tl.load(cosines + place, lane < half, 0.0)
    sine = tl.load(sines + place + half, lane < half, 0.0)
    one, two = first, second
    if NORMED:
        squares = tl.sum(one * one + two * two, 1)[:, None]
        scale = tl.rsqrt(squares / D + eps)
        one = (one * scale).to(kind).to(tl.float32) * tl.load(norms + head * D + lane, here, 0.0)
        two = (two * scale).to(kind).to(tl.float32) * tl.load(
            norms + head * D + lane + half, here, 0.0
        )
        one, two = one.to(kind).to(tl.float32), two.to(kind).to(tl.float32)
    new = (one * cosine - two * sine).to(kind)
    other = (two * cosine + one * sine).to(kind)
    out = asked + token.to(tl.int64) * HEADS * D + head * D + lane
    tl.store(out, new, here & (head < HEADS))
    tl.store(out + half, other, here & (head < HEADS))
    is_key, is_value = here & (head >= HEADS), held & (head >= HEADS + KEYS)
    key_head = tl.where(is_key, head - HEADS, 0)
    value_head = tl.where(is_value, head - HEADS - KEYS, 0)
    spot = tl.load(spots + token * KEYS + key_head) * D + lane
    tl.store(keys + spot, new, is_key)
    tl.store(keys + spot + half, other, is_key)
    spot = tl.load(spots + token * KEYS + value_head) * D + lane
    tl.store(values + spot, first.to(kind), is_value)
    tl.store(values + spot + half, second.to(kind), is_value)


@triton.jit
def gated(wide, out, size, WIDE: tl.constexpr):
    """SiLU of the first half of a token's numbers, times the second half."""
    token, lane = tl.program_id(0).to(tl.int64), tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    held = lane < size
    gate = tl.load(wide + token * 2 * size + lane, held, 0.0).to(tl.float32)
    up = tl.load(wide + token * 2 * size + size + lane, held, 0.0).to(tl.float32)
    open_ = (gate / (1 + tl.exp(-gate))).to(out.dtype.element_ty).to(tl.float32)
    tl.store(out + token * size + lane, (open_ * up).to(out.dtype.element_ty), held)
