"""Tests of the story-problem generator and of the committed sample."""

import json
import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from cotsieve.demo import stories

BLOCK = re.compile(r"(\d+[-+*/]\d+)=<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")
SAMPLE = Path(__file__).parents[2] / "resources" / "sample" / "problems.jsonl"


@pytest.fixture(scope="module")
def problems() -> list[stories.Problem]:
    return stories.make_problems(3000, seed=123)


def compute(left: int, operator: str, right: int) -> int:
    if operator == "/":
        quotient, rest = divmod(left, right)
        assert rest == 0
        return quotient
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def blocks_of(answer: str) -> list[tuple[int, str, int, int]]:
    found = []
    for text, left, operator, right, result, repeated in BLOCK.findall(answer):
        assert text == f"{left}{operator}{right}"
        assert result == repeated
        found.append((int(left), operator, int(right), int(result)))
    assert len(found) == len(re.findall("<<", answer))
    return found


def test_every_stated_result_is_true_and_bounded(problems):
    for problem in problems:
        blocks = blocks_of(problem.answer)
        assert 2 <= len(blocks) == len(problem.steps) <= 6
        for left, operator, right, result in blocks:
            assert compute(left, operator, right) == result
            assert 1 <= result <= stories.LARGEST_RESULT
        lines = problem.answer.split("\n")
        assert len(lines) == len(blocks) + 1
        assert lines[-1] == f"#### {blocks[-1][3]}"


def test_every_operand_is_stated_or_computed(problems):
    for problem in problems:
        known = {int(number) for number in re.findall(r"\d+", problem.question)}
        if "half as many" in problem.question:
            known.add(2)
        for step in problem.steps:
            assert {step.left, step.right} <= known, problem
            known.add(step.result)


def test_each_number_of_the_question_is_used(problems):
    for problem in problems:
        used = Counter(n for step in problem.steps for n in (step.left, step.right))
        stated = Counter(int(number) for number in re.findall(r"\d+", problem.question))
        assert all(used[number] >= times for number, times in stated.items()), problem


def test_later_steps_continue_from_the_step_before(problems):
    for problem in problems:
        if problem.family == "comparison":
            continue
        for before, after in pairwise(problem.steps):
            assert after.left == before.result


def test_no_two_scaling_steps_side_by_side_on_a_running_amount(problems):
    for problem in problems:
        running = problem.steps[0 if problem.family == "inventory" else 1 :]
        if problem.family == "comparison":
            continue
        for before, after in pairwise(running):
            assert not (before.operator in "*/" and after.operator in "*/")


def test_texts_are_filled_in(problems):
    for problem in problems:
        assert not re.search(r"[{}]|  ", problem.question + problem.answer)
        assert problem.question.endswith("?")


def test_same_seed_same_problems_and_other_seed_other_problems(problems):
    assert stories.make_problems(3000, seed=123) == problems
    other = {problem.question for problem in stories.make_problems(3000, seed=124)}
    assert len(other & {problem.question for problem in problems}) < 30


def test_questions_are_distinct_and_excluded_ones_never_appear(problems):
    questions = [problem.question for problem in problems]
    assert len(set(questions)) == len(questions)
    again = stories.make_problems(500, seed=123, exclude=set(questions[:500]))
    assert not {problem.question for problem in again} & set(questions[:500])


def test_step_counts_have_the_asked_shares(problems):
    assert Counter(stories.step_counts(200)) == {2: 50, 3: 50, 4: 40, 5: 34, 6: 26}
    assert len(stories.step_counts(7)) == 7
    shares = Counter(len(problem.steps) for problem in problems)
    for steps, weight in stories.STEP_WEIGHTS.items():
        assert abs(shares[steps] / len(problems) - weight / 100) < 0.03
    assert Counter(problem.family for problem in problems).keys() == stories.FAMILIES.keys()


@pytest.mark.parametrize("steps", stories.STEP_WEIGHTS)
def test_asked_number_of_steps_is_kept(steps):
    rng = random.Random(5)
    assert all(len(stories.make_problem(rng, steps).steps) == steps for _ in range(100))


@pytest.mark.parametrize(
    ("left", "operator", "right"), [(7, "/", 2), (5, "-", 5), (3, "-", 8), (76, "*", 2)]
)
def test_forbidden_steps_are_refused(left, operator, right):
    with pytest.raises(stories.OutOfBounds):
        stories.make_step(left, operator, right)


def test_committed_sample_is_what_its_seed_makes():
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    assert rows == [problem.record() for problem in stories.make_sample(200, seed=7)]
