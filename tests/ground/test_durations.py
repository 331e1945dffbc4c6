"""Durations in the unit that keeps the number short."""

import pytest

from cotsieve.ground.joblog import duration


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "1 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7100, "118 min"),
        (7200, "2.0 h"),
        (1e7, "2,777.8 h"),
    ],
)
def test_durations(seconds, told):
    assert duration(seconds) == told
