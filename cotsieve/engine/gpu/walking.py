"""Attention as two kernels: a walk over a row's own keys in fixed blocks, in order, and a join.

A walk reads the keys of a shared home, then those of the row itself; the order of its sums is that
of their places, whatever stands in the batch. While text is written, walks of CHUNK keys each run
side by side, all rows of a home reading it together, and are joined in order by their log-sum-exps.

A tile has M lanes: M // GP tokens with GP lanes each, one per query head of a key head.
"""

import triton
import triton.language as tl

WHOLE, HOME, OWN = 0, 1, 2
"""What one program reads: all keys of its tokens; one chunk of their home, or of their own keys."""


@triton.jit
def blocks(
    query, top, total, sums, keys, values, at, first, last, limit, offset,
    hide_from, hide_to, scale,
    D: tl.constexpr, DP: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Take in the keys [first, last) that lie at `at`; a lane sees those before its `limit`."""
    size = tl.arange(0, DP)
    for start in range(first, last, BLOCK):
        place = start + tl.arange(0, BLOCK)
        held = (place < last)[:, None] & (size < D)[None, :]
        spots = at + place[:, None].to(tl.int64) * D + size[None, :]
        key = tl.load(keys + spots, held, 0.0)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION) * scale
        absolute = (offset + place)[None, :]
        hidden = (absolute >= hide_from[:, None]) & (absolute < hide_to[:, None])
        seen = (place[None, :] < limit[:, None]) & (hidden == 0)
        scores = tl.where(seen, scores, -float("inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        base = tl.where(new == -float("inf"), 0.0, new)
        part = tl.exp2(scores - base[:, None])
        old = tl.exp2(top - base)
        total = total * old + tl.sum(part, 1)
        value = tl.load(values + spots, held, 0.0)
        sums = sums * old[:, None]
        sums += tl.dot(part.to(value.dtype), value, input_precision=PRECISION)
        top = new
    return top, total, sums


@triton.jit
def walk(
    query, out, tops, totals, keys, values, lanes, own_at, home_at, shared, places, hide,
    own_step, home_step, per_row, tokens, token_stride, scale, first_part,
    HEADS: tl.constexpr, G: tl.constexpr, GP: tl.constexpr, D: tl.constexpr, DP: tl.constexpr,
    M: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr, MODE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile, one key head, one chunk. `lanes` (tiles, M // GP) names the tokens of a tile, -1:
    none; `own_at`, `home_at` count vectors of D numbers."""
    tile, head, chunk = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    lane, size = tl.arange(0, M), tl.arange(0, DP)
    leader = tl.load(lanes + tile * (M // GP))
    if leader < 0:
        return
    token = tl.load(lanes + tile * (M // GP) + lane // GP)
    valid = (token >= 0) & (lane % GP < G)
    token = tl.where(valid, token, leader)
    row = token // per_row
    near = tl.where(valid, tl.load(shared + row), 0).to(tl.int32)
    place = tl.where(valid, tl.load(places + token), -1).to(tl.int32)
    hide_from = tl.load(hide + 2 * row).to(tl.int32)
    hide_to = tl.load(hide + 2 * row + 1).to(tl.int32)
    hide_to = tl.where(near + place >= hide_to, hide_to, 0)
    home_first, home_last = 0, tl.max(near)
    own_first, own_last = 0, tl.max(place) + 1
    if MODE == 1:
        home_first = chunk * CHUNK
        home_last = tl.minimum(home_last, home_first + CHUNK)
        if home_first >= home_last:
            return
    if MODE == 2:
        own_first = chunk * CHUNK
        own_last = tl.minimum(own_last, own_first + CHUNK)
        if own_first >= own_last:
            return
    spots = token[:, None].to(tl.int64) * token_stride + (head * G + lane % GP)[:, None] * D
    held = valid[:, None] & (size < D)[None, :]
    asked = tl.load(query + spots + size[None, :], held, 0.0)
    top = tl.full((M,), -float("inf"), tl.float32)
    total = tl.zeros((M,), tl.float32)
    sums = tl.zeros((M, DP), tl.float32)
    leading = leader // per_row
    if MODE != 2:
        at = (tl.load(home_at + leading) + head.to(tl.int64) * home_step) * D
        top, total, sums = blocks(
            asked, top, total, sums, keys, values, at, home_first, home_last, near, 0,
            hide_from, hide_to, scale, D, DP, BLOCK, PRECISION,
        )  # fmt: skip
    if MODE != 1:
        at = (tl.load(own_at + leading) + head.to(tl.int64) * own_step) * D
        offset = tl.load(shared + leading).to(tl.int32)
        top, total, sums = blocks(
            asked, top, total, sums, keys, values, at, own_first, own_last, place + 1, offset,
            hide_from, hide_to, scale, D, DP, BLOCK, PRECISION,
        )  # fmt: skip
    asking = head * G + lane % GP
    if MODE == 0:
        spots = (token.to(tl.int64) * HEADS + asking)[:, None] * D + size[None, :]
        sums = sums / total[:, None]
        tl.store(out + spots, sums.to(out.dtype.element_ty), held)
    else:
        part = chunk + (first_part if MODE == 2 else 0)
        spots = (part.to(tl.int64) * tokens + token) * HEADS + asking
        tl.store(out + spots[:, None] * D + size[None, :], sums, held)
        tl.store(tops + spots, top, valid)
        tl.store(totals + spots, total, valid)


@triton.jit
def join(
    parts, tops, totals, out, shared, places, tokens, first_part,
    HEADS: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """The chunks of one token and head, those of its home before its own, in order."""
    token, head = tl.program_id(0), tl.program_id(1)
    size = tl.arange(0, DP)
    homes = tl.cdiv(tl.load(shared + token).to(tl.int32), CHUNK)
    count = homes + tl.cdiv(tl.load(places + token).to(tl.int32) + 1, CHUNK)
    top, total = -float("inf"), 0.0
    sums = tl.zeros((DP,), tl.float32)
    for number in range(0, count):
        part = tl.where(number < homes, number, first_part + number - homes)
        spot = (part.to(tl.int64) * tokens + token) * HEADS + head
        theirs = tl.load(tops + spot)
        new = tl.maximum(top, theirs)
        base = tl.where(new == -float("inf"), 0.0, new)
        old, fresh = tl.exp2(top - base), tl.exp2(theirs - base)
        total = total * old + tl.load(totals + spot) * fresh
        sums = sums * old + tl.load(parts + spot * D + size, size < D, 0.0) * fresh
        top = new
    spot = (token.to(tl.int64) * HEADS + head) * D + size
    tl.store(out + spot, (sums / total).to(out.dtype.element_ty), size < D)
