"""Draw problems stratum by stratum up to a target; problems known before are always kept."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from cotsieve.ground.seeds import digest


class StratumCount(NamedTuple):
    """What a stratum had, should have and got."""

    stratum: str
    target: int | None
    """None for a stratum nobody asked for: nothing new is drawn from it."""
    existing: int
    new: int
    """How many new problems were there to draw from."""
    drawn: int
    """Existing and new together; more than the target when more existed before."""

    @property
    def missing(self) -> int:
        """How many problems the stratum is short of its target."""
        return max((self.target or 0) - self.drawn, 0)


class Draw(NamedTuple):
    """The drawn rows, stratum after stratum, existing rows first; and the count of each stratum."""

    rows: list[dict]
    strata: list[StratumCount]


def draw_seeded(
    existing: Sequence[dict], new: Sequence[dict], targets: Mapping[str, int], seed: int
) -> Draw:
    """Draw by a digest of seed, stratum and problem id.

    Which problems are drawn depends on nothing else: not on the order of rows, not on other
    strata; and raising a target, or adding problems it has room for, only adds rows.
    """

    def pick(stratum: str, rows: list[dict], count: int) -> list[dict]:
        def place(row: dict) -> tuple[str, str]:
            return digest(seed, stratum, row["problem_id"]), row["problem_id"]

        return sorted(rows, key=place)[:count]

    return _draw(existing, new, targets, pick)


def draw_original(
    existing: Sequence[dict], new: Sequence[dict], targets: Mapping[str, int], seed: int = 42
) -> Draw:
    """Replay the draw of the published expansion study (GusSand/CoT_Exploration).

    One generator serves all strata in the order of `targets`, so that order and every shortage
    change what later strata get. A stratum with fewer new problems than it is short of takes
    them all, in their order, without using the generator.
    """
    generator = random.Random(seed)

    def pick(_stratum: str, rows: list[dict], count: int) -> list[dict]:
        return generator.sample(rows, count) if 0 < count <= len(rows) else rows[: max(count, 0)]

    return _draw(existing, new, targets, pick)


def _draw(
    existing: Sequence[dict],
    new: Sequence[dict],
    targets: Mapping[str, int],
    pick: Callable[[str, list[dict], int], list[dict]],
) -> Draw:
    drawn: list[dict] = []
    strata: list[StratumCount] = []
    kept, fresh = _by_stratum(existing), _by_stratum(new)
    for stratum, target in targets.items():
        old, pool = kept.get(stratum, []), fresh.get(stratum, [])
        rows = old + pick(stratum, pool, max(target - len(old), 0))
        strata.append(StratumCount(stratum, target, len(old), len(pool), len(rows)))
        drawn += rows
    for stratum in sorted((kept.keys() | fresh.keys()) - targets.keys()):
        old, pool = kept.get(stratum, []), fresh.get(stratum, [])
        strata.append(StratumCount(stratum, None, len(old), len(pool), len(old)))
        drawn += old
    return Draw(drawn, strata)


def _by_stratum(rows: Sequence[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["stratum"], []).append(row)
    return groups


def shared_out(
    total: int, passed: Mapping[str, int], strata: Iterable[str], kept: Mapping[str, int]
) -> dict[str, int]:
    """Targets that share `total` out over what passed, in sorted order of all `strata`.

    A stratum of which nothing passed has the target 0, so that it stands in its place in tables.
    One of which more is `kept` than its share has that as its target, and the others share the
    rest.
    """
    names, fixed = sorted({*strata, *passed}), {}
    while True:
        rest = {name: passed.get(name, 0) for name in names if name not in fixed}
        shares = proportional_targets(rest, total - sum(fixed.values()))
        more = {name: kept[name] for name in rest if kept.get(name, 0) > shares[name]}
        if not more:
            return {name: (fixed | shares)[name] for name in names}
        fixed |= more


def proportional_targets(available: Mapping[str, int], total: int) -> dict[str, int]:
    """How many to draw from each stratum so that `total` are drawn in proportion.

    By largest remainders (Hamilton's method) in whole numbers; equal remainders go to the larger
    stratum, then to the first name. Asks for no more than a stratum has, so for less than `total`
    when there is less. The order is that of `available`.
    """
    have = sum(available.values())
    total = max(0, min(total, have))
    if not total:
        return dict.fromkeys(available, 0)
    targets = {stratum: total * count // have for stratum, count in available.items()}

    def order(stratum: str) -> tuple[int, int, str]:
        count = available[stratum]
        return -(total * count % have), -count, stratum

    missing = total - sum(targets.values())
    for stratum in sorted(available, key=order)[:missing]:
        targets[stratum] += 1
    return targets
