"""Strata by what is known of problems."""

import numpy as np
import pytest
from rows import pool_of

from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import Problem
from cotsieve.problems.stratify_by import KINDS, length_bounds, stratify


def problem(solution="", level=None, subject=None, steps=2, error=None, stratum="2-step"):
    return Problem(
        "p", "test", 0, "?", solution, "1", steps, stratum, error, level=level, subject=subject
    )


def sorted_by(kind, problems, parts=4):
    (names,) = stratify(kind, [pool_of("test", problems)], parts)
    return names.tolist()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("steps", ["2-step", "5+step", "unknown"]),
        ("level", ["level 5", "unknown", "unknown"]),
        ("subject", ["Geometry", "Algebra", "unknown"]),
        ("level-subject", ["level 5 Geometry", "unknown", "unknown"]),
        ("source", ["test", "test", "test"]),
        ("solution-length", ["length 1/4", "length 3/4", "unknown"]),
    ],
)
def test_kinds(kind, expected):
    problems = [
        problem("x", 5, "Geometry"),
        problem("xyz", None, "Algebra", steps=9, stratum="5+step"),
        problem(None, error="missing", steps=0, stratum="unknown"),
    ]
    assert sorted_by(kind, problems) == expected
    assert kind in KINDS


def test_unknown_kind():
    with pytest.raises(BadInput, match="steps, level"):
        stratify("mood", [])


@pytest.mark.parametrize(
    ("lengths", "parts", "bounds"),
    [
        ([1, 2, 3, 4], 4, [1, 2, 3]),
        ([4, 3, 2, 1, 5], 2, [3]),
        ([7, 7, 7, 7], 4, [7, 7, 7]),
        ([1, 2], 4, [1, 1, 2]),
        ([9], 1, []),
        ([], 4, []),
    ],
)
def test_bounds_of_lengths(lengths, parts, bounds):
    assert length_bounds(np.array([*lengths, -1]), parts) == bounds


def test_solutions_of_one_length_share_a_group():
    problems = [problem("x" * length) for length in (7, 7, 7, 9, 1)]
    groups = sorted_by("solution-length", problems, parts=2)
    assert groups == ["length 1/2"] * 3 + ["length 2/2", "length 1/2"]
    assert sorted_by("solution-length", problems[::-1], parts=2) == groups[::-1]
