"""How large a share is, and how surely: counts with Wilson's 95 % interval."""

from functools import cache
from typing import NamedTuple

from scipy.stats import binomtest


class Share(NamedTuple):
    """`count` of `total`; the bounds are None when there is nothing to count in, or nothing to
    be unsure of."""

    count: int
    total: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.count / self.total if self.total else None

    def __str__(self) -> str:
        """Such as "41.1 % (39.9 to 42.2)"."""
        if not self.total:
            return "–"
        if self.low is None:
            return f"{self.value:.1%}".replace("%", " %")
        return f"{self.value:.1%} ({100 * self.low:.1f} to {100 * self.high:.1f})".replace(
            "%", " %"
        )


@cache
def share(count: int, total: int) -> Share:
    """A share with its 95 % interval (Wilson, 1927), which holds near 0 and 1 and for few rows."""
    if not total:
        return Share(count, total, None, None)
    interval = binomtest(count, total).proportion_ci(confidence_level=0.95, method="wilson")
    return Share(count, total, float(interval.low), float(interval.high))


def certain(count: int, total: int) -> Share:
    """A share that is so by definition: an interval around it would mean nothing."""
    return Share(count, total, None, None)
