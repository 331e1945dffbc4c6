"""The same problems under two conditions: how many answers turn which way, and how surely."""

from functools import cache
from math import sqrt
from typing import NamedTuple

from scipy.stats import binomtest

from cotsieve.findings.shares import Share, share


class Difference(NamedTuple):
    """Of two shares of the same problems, from -1 to 1, with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """In percentage points, such as "+41.1 (39.9 to 42.2)"."""
        return f"{100 * self.value:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


class Paired(NamedTuple):
    """Problems by whether they are right under a first and under a second condition."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def total(self) -> int:
        return sum(self)

    @property
    def first(self) -> Share:
        """Right under the first condition."""
        return share(self.both + self.first_only, self.total)

    @property
    def second(self) -> Share:
        return share(self.both + self.second_only, self.total)

    @property
    def has_net(self) -> bool:
        """Whether more answers are lost under the second condition than won."""
        return self.first_only > self.second_only

    @property
    def p(self) -> float:
        """Two-sided exact McNemar test: the chance of a split of the unequal pairs like this."""
        return _exact(self.first_only, self.second_only)

    @property
    def difference(self) -> Difference | None:
        """First minus second; None of nothing."""
        return _newcombe(*self) if self.total else None

    @property
    def change(self) -> Difference | None:
        """Second minus first; None of nothing."""
        return Paired(self.both, self.second_only, self.first_only, self.neither).difference


@cache
def _exact(one: int, other: int) -> float:
    return float(binomtest(one, one + other, 0.5).pvalue) if one + other else 1.0


@cache
def _newcombe(both: int, first_only: int, second_only: int, neither: int) -> Difference:
    """Newcombe's interval for paired proportions (Statistics in Medicine 17, 1998: method 10).

    Wilson's intervals of both shares, joined with regard to how the two go together.
    """
    pairs = Paired(both, first_only, second_only, neither)
    one, two, value = pairs.first, pairs.second, (first_only - second_only) / pairs.total
    together = _correlation(pairs)

    def reach(a: float, b: float) -> float:
        return sqrt(max(a * a - 2 * together * a * b + b * b, 0.0))

    low = reach(one.value - one.low, two.high - two.value)
    high = reach(one.high - one.value, two.value - two.low)
    return Difference(value, value - low, value + high)


def _correlation(pairs: Paired) -> float:
    """Of the two outcomes, corrected for continuity; 0 where one of them never differs."""
    both, first_only, second_only, neither = pairs
    margins = (both + first_only) * (second_only + neither)
    margins *= (both + second_only) * (first_only + neither)
    if not margins:
        return 0.0
    product = both * neither - first_only * second_only
    if product > 0:
        product = max(product - pairs.total / 2, 0.0)
    return product / sqrt(margins)


def shown_p(p: float | None) -> str:
    """A p-value: "< 0.001" or three decimals; "–" for none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
