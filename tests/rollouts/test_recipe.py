"""A row's key names all of a problem that the row depends on, and nothing else."""

from dataclasses import replace

import pytest

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe

PROBLEM = Problem("a", "toy", 0, "Two and two?", "", "4", None, "all", reasoning="It is 4.")
DECODING = {"max_new_tokens": 8}


def key(problem: Problem, definition: dict | None = None, **model: str) -> str:
    recipe = Recipe({"here": definition}, {"model": model, "decoding": DECODING}, None)
    return recipe.row_key(problem, "here")


@pytest.mark.parametrize("definition", [None, {"reasoning": "reverse"}, {"reasoning": "keep"}])
def test_given_reasoning_counts_where_it_is_read(definition):
    other = replace(PROBLEM, reasoning="So 4.")
    assert key(PROBLEM, definition, traces="given") != key(other, definition, traces="given")
    assert key(PROBLEM, definition) == key(other, definition)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("alter-statement", True),
        ("alter-all", True),
        ("drop-answer-statement", True),
        ("drop-equation", True),
        ("drop-statement", False),
        ("reverse", False),
        ("empty", False),
    ],
)
def test_the_reference_answer_counts_where_an_edit_looks_for_it(kind, counts):
    other, definition = replace(PROBLEM, answer="5"), {"reasoning": kind}
    assert (key(PROBLEM, definition) != key(other, definition)) is counts


@pytest.mark.parametrize("change", [{"question": "Two?"}, {"error": "no answer"}])
def test_what_every_row_reads_counts(change):
    assert key(replace(PROBLEM, **change)) != key(PROBLEM)
