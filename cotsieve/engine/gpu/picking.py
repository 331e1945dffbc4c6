"""`sampling` as kernels: the next token of every row, without a sort.

The vocabulary is read three times, in parts side by side: for the best score, for sums of chances
above a few levels, and to set aside the tokens above the highest level that holds enough. Among
those the smallest chance that is kept is found by search over the bits of the chances. Where they
are too many to be set aside, and where all tokens are kept, the scores are searched themselves.
Sums are of whole numbers, so the set and the token are those of the sort. Only e^x may differ from
torch's in its last bit: the two choose alike but where a draw lies within 1e-7 of an edge.
"""

import triton
import triton.language as tl

TILE, PART = 2048, 16384
"""Scores that a program looks at together, and one after another."""
LEVELS = 4
"""Chances of 2^-5, 2^-10 and 2^-15 of the best one's, and all that are not 0 as whole numbers."""
FEW, SHORT = 8192, 2048
"""So many tokens of a row are set aside, and so many looked at together."""


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
        x = tl.load(at + start + lane, start + lane < size, -float("inf")).to(tl.float32)
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
def tops_kernel(scores, tops, size, stride, TILE: tl.constexpr, PART: tl.constexpr):
    """The best score of each part of a row's vocabulary; no number, where one of them is none."""
    row, part = tl.program_id(0), tl.program_id(1)
    at = scores + row.to(tl.int64) * stride
    lane = tl.arange(0, TILE)
    best, wrong = -float("inf"), 0
    for start in range(part * PART, tl.minimum(size, (part + 1) * PART), TILE):
        x = tl.load(at + start + lane, start + lane < size, -float("inf")).to(tl.float32)
        wrong += tl.sum((x != x).to(tl.int32))
        best = tl.maximum(best, tl.max(x))
    best = tl.where(wrong > 0, float("nan"), best)
    tl.store(tops + row * tl.num_programs(1) + part, best)


@triton.jit
def best_of(tops, row, parts, PARTS: tl.constexpr):
    """The best score of a row, 0 where it is no finite number; and whether it is one."""
    part = tl.arange(0, PARTS)
    top = tl.load(tops + row * parts + part, part < parts, -float("inf"))
    wrong = tl.sum((top != top).to(tl.int32))
    best = tl.max(tl.where(top != top, -float("inf"), top))
    sound = (wrong == 0) & (best < float("inf")) & (best > -float("inf"))
    return tl.where(sound, best, 0.0), sound


@triton.jit
def bits_of(at, start, lane, last, best, temperature):
    """e^((score - best) / temperature) as the bits of a float32, which are in its order; 0 for
    places from `last` on."""
    x = tl.load(at + start + lane, start + lane < last, -float("inf")).to(tl.float32)
    return tl.exp((x - best) / temperature).to(tl.int32, bitcast=True)


@triton.jit
def weight_of(bits):
    """A chance as a whole number."""
    return (bits.to(tl.float32, bitcast=True).to(tl.float64) * 17592186044416.0).to(tl.int64)


@triton.jit
def level_bits(level):
    """The smallest chance of a level; from 2^-44 on none is 0 as a whole number."""
    return tl.where(level < 3, 127 - 5 * (level + 1), 127 - 44) << 23


@triton.jit
def sums_kernel(
    scores, tops, sums, counts, size, stride, temperature,
    PARTS: tl.constexpr, TILE: tl.constexpr, PART: tl.constexpr, LEVELS: tl.constexpr,
):  # fmt: skip
    """What the chances in each part of a row's vocabulary add up to above each level, and how many
    they are."""
    row, part = tl.program_id(0), tl.program_id(1)
    parts = tl.num_programs(1)
    at = scores + row.to(tl.int64) * stride
    lane = tl.arange(0, TILE)
    best, _ = best_of(tops, row, parts, PARTS)
    s0 = tl.zeros((TILE,), tl.int64)
    s1, s2, s3 = s0, s0, s0
    n0 = tl.zeros((TILE,), tl.int32)
    n1, n2, n3 = n0, n0, n0
    for start in range(part * PART, tl.minimum(size, (part + 1) * PART), TILE):
        bits = bits_of(at, start, lane, size, best, temperature)
        weight = weight_of(bits)
        in0, in1, in2 = bits >= level_bits(0), bits >= level_bits(1), bits >= level_bits(2)
        s0 += tl.where(in0, weight, 0)
        s1 += tl.where(in1, weight, 0)
        s2 += tl.where(in2, weight, 0)
        s3 += weight
        n0 += in0.to(tl.int32)
        n1 += in1.to(tl.int32)
        n2 += in2.to(tl.int32)
        n3 += (bits >= level_bits(3)).to(tl.int32)
    spot = (row * parts + part) * LEVELS
    tl.store(sums + spot, tl.sum(s0))
    tl.store(sums + spot + 1, tl.sum(s1))
    tl.store(sums + spot + 2, tl.sum(s2))
    tl.store(sums + spot + 3, tl.sum(s3))
    tl.store(counts + spot, tl.sum(n0))
    tl.store(counts + spot + 1, tl.sum(n1))
    tl.store(counts + spot + 2, tl.sum(n2))
    tl.store(counts + spot + 3, tl.sum(n3))


@triton.jit
def level_of(
    sums, counts, row, parts, before,
    TOP_P: tl.constexpr, PARTS: tl.constexpr, LEVELS: tl.constexpr,
):  # fmt: skip
    """What all chances of a row add up to, what is needed, the highest level that holds so much,
    how many tokens lie above it, and how many of them in parts before one."""
    part, level = tl.arange(0, PARTS)[:, None], tl.arange(0, LEVELS)[None, :]
    spots = (row * parts + part) * LEVELS + level
    held = tl.sum(tl.load(sums + spots, part < parts, 0), 0)[None, :]
    total = tl.sum(tl.where(level == LEVELS - 1, held, 0))
    needed = tl.ceil(total.to(tl.float64) * TOP_P).to(tl.int64)
    chosen = tl.min(tl.where(held >= needed, level, LEVELS - 1))
    count = tl.where(level == chosen, tl.load(counts + spots, part < parts, 0), 0)
    return total, needed, chosen, tl.sum(count), tl.sum(tl.where(part < before, count, 0))


@triton.jit
def keep_kernel(
    scores, tops, sums, counts, kept, names, size, stride, temperature,
    TOP_P: tl.constexpr, PARTS: tl.constexpr, TILE: tl.constexpr, PART: tl.constexpr,
    LEVELS: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    """Set aside the bits and the names of the tokens above a row's level, where they are few."""
    row, part = tl.program_id(0), tl.program_id(1)
    parts = tl.num_programs(1)
    at = scores + row.to(tl.int64) * stride
    lane = tl.arange(0, TILE)
    best, _ = best_of(tops, row, parts, PARTS)
    _, _, level, count, place = level_of(sums, counts, row, parts, part, TOP_P, PARTS, LEVELS)
    if count > FEW:
        return
    least = level_bits(level)
    for start in range(part * PART, tl.minimum(size, (part + 1) * PART), TILE):
        bits = bits_of(at, start, lane, size, best, temperature)
        found = (bits >= least).to(tl.int32)
        more = tl.sum(found)
        if more > 0:
            spot = place + tl.cumsum(found) - found
            put = (found > 0) & (spot < FEW)
            tl.store(kept + row * FEW + spot, bits, put)
            tl.store(names + row * FEW + spot, start + lane, put)
        place += more


@triton.jit
def seen_bits(at, kept, start, lane, last, best, temperature, few):
    """Bits of tokens that were set aside, or of all."""
    if few:
        bits = tl.load(kept + start + lane, start + lane < last, 0)
    else:
        bits = bits_of(at, start, lane, last, best, temperature)
    return bits


@triton.jit
def nucleus_kernel(
    scores, tops, sums, counts, kept, names, seeds, places, tokens, margins, finite,
    size, stride, parts, temperature,
    TOP_P: tl.constexpr, PARTS: tl.constexpr, LEVELS: tl.constexpr,
    FEW: tl.constexpr, SHORT: tl.constexpr,
):  # fmt: skip
    """One token per row from its nucleus; `TOP_P` is a constant to stay a float64."""
    WHOLE_SET: tl.constexpr = TOP_P >= 1
    row = tl.program_id(0)
    at = scores + row.to(tl.int64) * stride
    aside = kept + row * FEW
    lane = tl.arange(0, SHORT)
    best, sound = best_of(tops, row, parts, PARTS)
    total, needed, level, count, _ = level_of(sums, counts, row, parts, 0, TOP_P, PARTS, LEVELS)
    few = count <= FEW
    if WHOLE_SET:
        few = count < 0
    last = tl.where(few, count, size)

    # `low` keeps enough, `high` does not.
    low, high = level_bits(level), tl.full((), 0x3F800001, tl.int32)
    if WHOLE_SET:
        low = tl.full((), 0, tl.int32)
    else:
        while high - low > 1:
            step = tl.maximum((high - low) // 4, 1)
            a1 = tl.zeros((SHORT,), tl.int64)
            a2, a3 = a1, a1
            for start in range(0, last, SHORT):
                bits = seen_bits(at, aside, start, lane, last, best, temperature, few)
                weight = weight_of(bits)
                a1 += tl.where(bits >= low + step, weight, 0)
                a2 += tl.where(bits >= low + 2 * step, weight, 0)
                a3 += tl.where(bits >= low + 3 * step, weight, 0)
            enough = (tl.sum(a1) >= needed).to(tl.int32) + (tl.sum(a2) >= needed).to(tl.int32)
            enough += (tl.sum(a3) >= needed).to(tl.int32)
            high = tl.where(enough < 3, tl.minimum(high, low + (enough + 1) * step), high)
            low = low + enough * step

    # Of the tokens at the threshold, the first so many are kept.
    above = tl.zeros((SHORT,), tl.int64)
    if not WHOLE_SET:
        for start in range(0, last, SHORT):
            bits = seen_bits(at, aside, start, lane, last, best, temperature, few)
            above += tl.where(bits > low, weight_of(bits), 0)
    tie, over = tl.maximum(weight_of(low), 1), tl.sum(above)
    ties = (needed - over + tie - 1) // tie
    held_all = over + ties * tie
    edge = tl.minimum(held_all - needed, needed - (held_all - tie))
    if WHOLE_SET:
        ties, held_all, edge = tl.full((), 0, tl.int64) + size, total, total

    counted = (tl.load(places + row) + 1).to(tl.uint64) * 0x9E3779B97F4A7C15
    random = mixed(mixed(tl.load(seeds + row).to(tl.uint64)) + counted)
    draw = (random >> 11).to(tl.float64) * 1.1102230246251565e-16
    place = tl.minimum((draw * held_all.to(tl.float64)).to(tl.int64), held_all - 1)

    # The tile in which the number falls, then the token.
    held, seen = tl.full((), 0, tl.int64), tl.full((), 0, tl.int64)
    tile, held_there, seen_there = 0, held, seen
    for start in range(0, last, SHORT):
        bits = seen_bits(at, aside, start, lane, last, best, temperature, few)
        equal = tl.sum(((bits == low) & (start + lane < last)).to(tl.int64))
        more = tl.sum(tl.where(bits > low, weight_of(bits), 0))
        more += tl.minimum(tl.maximum(ties - seen, 0), equal) * weight_of(low)
        here = (held <= place) & (place < held + more)
        tile = tl.where(here, start, tile)
        held_there = tl.where(here, held, held_there)
        seen_there = tl.where(here, seen, seen_there)
        held += more
        seen += equal
    bits = seen_bits(at, aside, tile, lane, last, best, temperature, few)
    equal = ((bits == low) & (tile + lane < last)).to(tl.int64)
    rank = seen_there + tl.cumsum(equal) - equal
    mine = tl.where((bits > low) | ((equal > 0) & (rank < ties)), weight_of(bits), 0)
    line = held_there + tl.cumsum(mine)
    spot = tl.min(tl.where((line > place) & (mine > 0), lane, SHORT - 1))
    end = tl.sum(tl.where(lane == spot, line, 0))
    begin = end - tl.sum(tl.where(lane == spot, mine, 0))
    margin = tl.minimum(tl.minimum(end - place, place - begin), edge)
    token = tile + spot
    token = tl.load(names + row * FEW + token, few & (token < last), token)
    tl.store(tokens + row, token.to(tl.int64))
    tl.store(margins + row, margin.to(tl.float64) / total.to(tl.float64))
    tl.store(finite + row, sound.to(tl.int8))
