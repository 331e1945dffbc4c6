"""Targets for a draw that keeps the proportions of what there is to draw from."""

from collections.abc import Iterable, Mapping


def shared_out(total: int, passed: Mapping[str, int], strata: Iterable[str]) -> dict[str, int]:
    """Targets that share `total` out over what passed, in sorted order of all `strata`.

    A stratum of which nothing passed has the target 0, so that it stands in its place in tables.
    """
    names = sorted({*strata, *passed})
    return proportional_targets({name: passed.get(name, 0) for name in names}, total)


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
