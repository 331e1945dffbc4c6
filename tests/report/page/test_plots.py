"""Scales of the plots."""

import itertools

import pytest

from cotsieve.report.page.plots import round_ticks


@pytest.mark.parametrize("top", [0, 0.5, 1, 3, 5, 6, 9.5, 10, 11, 50, 51, 79, 101, 512, 32_768])
def test_ticks_are_few_even_and_reach_just_far_enough(top):
    ticks = round_ticks(top)
    (step,) = {after - before for before, after in itertools.pairwise(ticks)}
    assert ticks[0] == 0 and 2 <= len(ticks) <= 6
    assert str(step).rstrip("0") in ("1", "2", "5")
    assert ticks[-1] >= top and (ticks[-1] - step < top or len(ticks) == 2)
