import random

import pytest

from cotsieve.findings.dataset.strata import (
    draw_original,
    draw_seeded,
    proportional_targets,
    shared_out,
)


@pytest.mark.parametrize(
    ("available", "total", "expected"),
    [
        ({"a": 50, "b": 30, "c": 20}, 10, {"a": 5, "b": 3, "c": 2}),
        ({"a": 1, "b": 1, "c": 1}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"c": 1, "b": 1, "a": 1}, 2, {"c": 0, "b": 1, "a": 1}),
        ({"a": 1, "b": 3}, 2, {"a": 0, "b": 2}),
        ({"a": 2, "b": 0}, 9, {"a": 2, "b": 0}),
        ({"a": 0}, 5, {"a": 0}),
        ({}, 5, {}),
        ({"a": 3}, -1, {"a": 0}),
    ],
)
def test_largest_remainders(available, total, expected):
    assert proportional_targets(available, total) == expected


def test_the_total_is_met_and_nothing_is_overdrawn():
    chooser = random.Random(1)
    for _ in range(2000):
        available = {str(place): chooser.randint(0, 40) for place in range(chooser.randint(1, 9))}
        total = chooser.randint(0, 200)
        targets = proportional_targets(available, total)
        assert sum(targets.values()) == min(total, sum(available.values()))
        assert all(targets[stratum] <= count for stratum, count in available.items())
        turned = dict(reversed(available.items()))
        assert proportional_targets(turned, total) == targets


@pytest.mark.parametrize("draw", [draw_seeded, draw_original])
def test_a_stratum_of_which_nothing_passed_has_its_place_and_changes_no_draw(draw):
    rows = [{"problem_id": f"{n}", "stratum": "ac"[n % 2]} for n in range(20)]
    passed = {"c": 10, "a": 10}
    targets = shared_out(7, passed, ["c", "b", "a"], {})
    assert list(targets.items()) == [("a", 4), ("b", 0), ("c", 3)]
    assert draw([], rows, targets, 42).rows == draw([], rows, {"a": 4, "c": 3}, 42).rows


@pytest.mark.parametrize(
    ("total", "kept", "expected"),
    [
        (10, {}, {"a": 5, "b": 5}),
        (10, {"a": 5}, {"a": 5, "b": 5}),
        (10, {"a": 8}, {"a": 8, "b": 2}),
        (10, {"a": 20}, {"a": 20, "b": 0}),
        (2, {"a": 2, "b": 1}, {"a": 2, "b": 1}),
    ],
)
def test_what_is_kept_is_part_of_the_total(total, kept, expected):
    assert shared_out(total, {"a": 20, "b": 20}, [], kept) == expected
