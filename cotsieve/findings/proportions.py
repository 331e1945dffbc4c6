"""Targets for a draw that keeps the proportions of what there is to draw from."""

from collections.abc import Iterable, Mapping


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
