"""`sampling` as one kernel: each program reads one row's scores and chooses its token.

No sort: the smallest chance that is kept is found by search over the bits of the chances, eight
thresholds a pass; whole numbers make the set, and the token, those of the sort.
"""

import triton
import triton.language as tl

TILE = 4096
"""Scores that a program looks at together."""


@triton.jit
def mixed(bits):
    """The last step of splitmix64."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB
    return bits ^ (bits >> 31)


@triton.jit
def greedy_kernel(scores, tokens, margins, finite, size, stride, TILE: tl.constexpr):
    """Best token, its lead over the next best, and whether the best is a finite number."""
    row = tl.program_id(0)
    at = scores + row.to(tl.int64) * stride
    lane = tl.arange(0, TILE)
    best, token, second = -float("inf"), 0, -float("inf")
    wrong = 0
    for start in range(0, size, TILE):
        x = tl.load(at + start + lane, start + lane < size, -float("inf"))
        wrong += tl.sum((x != x).to(tl.int32))
        top = tl.max(x)
        place = tl.min(tl.where(x == top, start + lane, size))
        next_ = tl.max(tl.where(start + lane == place, -float("inf"), x))
        second = tl.maximum(tl.maximum(second, next_), tl.minimum(best, top))
        token = tl.where(top > best, place, token)
        best = tl.maximum(best, top)
    sound = (wrong == 0) & (best < float("inf")) & (best > -float("inf"))
    tl.store(tokens + row, token.to(tl.int64))
    tl.store(margins + row, (best - second).to(tl.float64))
    tl.store(finite + row, sound.to(tl.int8))


@triton.jit
def chances_of(at, start, lane, size, best, temperature):
    """e^((score - best) / temperature) as float32, 0 outside; and as whole numbers."""
    x = tl.load(at + start + lane, start + lane < size, -float("inf"))
    chance = tl.exp((x - best) / temperature)
    return chance, (chance.to(tl.float64) * 17592186044416.0).to(tl.int64)


@triton.jit
def nucleus_kernel(
    scores, seeds, places, tokens, margins, finite, size, stride, temperature,
    TOP_P: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """One token per row from its nucleus; `TOP_P` is a constant to stay a float64."""
    WHOLE_SET: tl.constexpr = TOP_P >= 1
    row = tl.program_id(0)
    at = scores + row.to(tl.int64) * stride
    lane = tl.arange(0, TILE)
    best, wrong = -float("inf"), 0
    for start in range(0, size, TILE):
        x = tl.load(at + start + lane, start + lane < size, -float("inf"))
        wrong += tl.sum((x != x).to(tl.int32))
        best = tl.maximum(best, tl.max(x))
    sound = (wrong == 0) & (best < float("inf")) & (best > -float("inf"))
    best = tl.where(sound, best, 0.0)

    # The bits of a chance, which is not negative, are in its order; `low` keeps enough, `high` not.
    low, high = tl.full((), 0, tl.int32), tl.full((), 0x3F800001, tl.int32)
    sums = tl.zeros((TILE,), tl.int64)
    for start in range(0, size, TILE):
        _, weight = chances_of(at, start, lane, size, best, temperature)
        sums += weight
    total = tl.sum(sums)
    needed = tl.ceil(total.to(tl.float64) * TOP_P).to(tl.int64)
    if not WHOLE_SET:
        while high - low > 1:
            step = tl.maximum((high - low) // 8, 1)
            a1 = tl.zeros((TILE,), tl.int64)
            a2, a3, a4, a5, a6, a7 = a1, a1, a1, a1, a1, a1
            for start in range(0, size, TILE):
                chance, weight = chances_of(at, start, lane, size, best, temperature)
                bits = chance.to(tl.int32, bitcast=True)
                a1 += tl.where(bits >= low + step, weight, 0)
                a2 += tl.where(bits >= low + 2 * step, weight, 0)
                a3 += tl.where(bits >= low + 3 * step, weight, 0)
                a4 += tl.where(bits >= low + 4 * step, weight, 0)
                a5 += tl.where(bits >= low + 5 * step, weight, 0)
                a6 += tl.where(bits >= low + 6 * step, weight, 0)
                a7 += tl.where(bits >= low + 7 * step, weight, 0)
            enough = (tl.sum(a1) >= needed).to(tl.int32) + (tl.sum(a2) >= needed).to(tl.int32)
            enough += (tl.sum(a3) >= needed).to(tl.int32) + (tl.sum(a4) >= needed).to(tl.int32)
            enough += (tl.sum(a5) >= needed).to(tl.int32) + (tl.sum(a6) >= needed).to(tl.int32)
            enough += (tl.sum(a7) >= needed).to(tl.int32)
            high = tl.where(enough < 7, tl.minimum(high, low + (enough + 1) * step), high)
            low = low + enough * step

    # Of the tokens at the threshold, the first so many are kept.
    above = tl.zeros((TILE,), tl.int64)
    level = tl.full((), 0, tl.int64)
    for start in range(0, size, TILE):
        chance, weight = chances_of(at, start, lane, size, best, temperature)
        bits = chance.to(tl.int32, bitcast=True)
        above += tl.where(bits > low, weight, 0)
        level = tl.maximum(level, tl.max(tl.where(bits == low, weight, 0)))
    over = tl.sum(above)
    ties = tl.where(level > 0, (needed - over + level - 1) // tl.maximum(level, 1), 0)
    if WHOLE_SET:
        ties = tl.full((), size, tl.int64)
        over = total
    kept = over + ties * level
    edge = tl.minimum(kept - needed, needed - (kept - level))
    if WHOLE_SET:
        kept, edge = total, total

    counted = (tl.load(places + row) + 1).to(tl.uint64) * 0x9E3779B97F4A7C15
    random = mixed(mixed(tl.load(seeds + row).to(tl.uint64)) + counted)
    draw = (random >> 11).to(tl.float64) * 1.1102230246251565e-16
    place = tl.minimum((draw * kept.to(tl.float64)).to(tl.int64), kept - 1)

    # The tile in which the number falls, then the token.
    held, seen = tl.full((), 0, tl.int64), tl.full((), 0, tl.int64)
    tile, held_there, seen_there = 0, held, seen
    for start in range(0, size, TILE):
        chance, weight = chances_of(at, start, lane, size, best, temperature)
        bits = chance.to(tl.int32, bitcast=True)
        equal = tl.sum(((bits == low) & (start + lane < size)).to(tl.int64))
        more = tl.sum(tl.where(bits > low, weight, 0))
        more += tl.minimum(tl.maximum(ties - seen, 0), equal) * level
        here = (held <= place) & (place < held + more)
        tile = tl.where(here, start, tile)
        held_there = tl.where(here, held, held_there)
        seen_there = tl.where(here, seen, seen_there)
        held += more
        seen += equal
    chance, weight = chances_of(at, tile, lane, size, best, temperature)
    bits = chance.to(tl.int32, bitcast=True)
    equal = ((bits == low) & (tile + lane < size)).to(tl.int64)
    rank = seen_there + tl.cumsum(equal) - equal
    mine = tl.where((bits > low) | ((equal > 0) & (rank < ties)), weight, 0)
    line = held_there + tl.cumsum(mine)
    token = tl.min(tl.where((line > place) & (mine > 0), lane, TILE - 1))
    end = tl.sum(tl.where(lane == token, line, 0))
    begin = end - tl.sum(tl.where(lane == token, mine, 0))
    margin = tl.minimum(tl.minimum(end - place, place - begin), edge)
    tl.store(tokens + row, (tile + token).to(tl.int64))
    tl.store(margins + row, margin.to(tl.float64) / total.to(tl.float64))
    tl.store(finite + row, sound.to(tl.int8))
