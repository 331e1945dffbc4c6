"""Candidates drawn before anything runs."""

import random

import pytest
from rows import pool_of

from cotsieve.problems.problem import Problem
from cotsieve.problems.sampling import sampled

STRATA = ["2-step"] * 60 + ["3-step"] * 30 + ["4-step"] * 4


def problems(order: list[int]) -> list[Problem]:
    return [
        Problem(f"a_{row}", "a", row, f"Question {number}?", None, "1", 2, STRATA[number])
        for row, number in enumerate(order)
    ]


def drawn(order: list[int], rows: int, seed: int = 1, strata=None) -> set[str]:
    (pool,) = sampled([pool_of("a", problems(order))], rows, seed, strata)
    assert (pool.places[1:] > pool.places[:-1]).all()
    return {problem.question for problem in pool.problems()}


@pytest.mark.parametrize("strata", [None, ("steps", 4)])
def test_neither_order_nor_files_count(strata):
    order = list(range(len(STRATA)))
    found = drawn(order, 20, strata=strata)
    assert len(found) == 20
    shuffled = random.Random(1).sample(order, len(order))
    assert drawn(shuffled, 20, strata=strata) == found
    assert drawn(order, 20, seed=2, strata=strata) != found
    assert drawn(order, 19, strata=strata) < found
    halves = [pool_of("a", problems(order[:50])), pool_of("a", problems(order[50:]))]
    parts = sampled(halves, 20, 1, None)
    if strata is None:
        assert {p.question for pool in parts for p in pool.problems()} == found
    assert len(drawn(order, 1000, strata=strata)) == len(order)


def test_strata_give_equally_as_far_as_they_have():
    (pool,) = sampled([pool_of("a", problems(list(range(len(STRATA)))))], 24, 1, ("steps", 4))
    counts = [0, 0, 0]
    for problem in pool.problems():
        counts[["2-step", "3-step", "4-step"].index(problem.stratum)] += 1
    assert counts == [10, 10, 4]
