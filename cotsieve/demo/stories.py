"""Seeded generator of GSM8K-format story problems.

Every problem needs 2 to 6 arithmetic steps. All intermediate results are integers from 1 to 150
and every division is exact. The worked answer has one sentence per step, each with a
``<<a+b=c>>`` block, and ends with a line ``#### N``.
"""

import argparse
import json
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from cotsieve.demo.story_texts import (
    BOYS,
    COMPARISONS,
    CONTAINER_START,
    CONTAINERS,
    FINAL_QUESTION,
    FINAL_SHARE,
    GIFT_START,
    GIRLS,
    GIVERS,
    INVENTORY_START,
    ITEMS,
    RUNNING_GROUP,
    RUNNING_ITEMS,
    RUNNING_MONEY,
    STEP_SENTENCES,
    SUM_SENTENCES,
    WAGE_START,
)

STEP_WEIGHTS = {2: 25, 3: 25, 4: 20, 5: 17, 6: 13}
LARGEST_RESULT = 150
START_AMOUNTS = range(3, 41)
SMALL_AMOUNTS = range(2, 21)
MULTIPLIERS = range(2, 6)
DIVISORS = range(2, 7)
GROUP_SIZES = range(2, 13)

# Long stories often end by sharing the amount equally, which keeps their answers small. A rough
# estimate is then right more often, so long problems are not all out of reach without thoughts.
FINAL_SHARE_CHANCE = {2: 0.15, 3: 0.3, 4: 0.45, 5: 0.6, 6: 0.6}


@dataclass(frozen=True)
class Step:
    """One arithmetic step: ``left operator right = result``."""

    left: int
    operator: str
    right: int
    result: int

    def expression(self) -> str:
        """Return the left side, for example ``17+5``."""
        return f"{self.left}{self.operator}{self.right}"

    def block(self) -> str:
        """Return the calculation block, for example ``<<17+5=22>>``."""
        return f"<<{self.expression()}={self.result}>>"


@dataclass(frozen=True)
class Problem:
    """One story problem with its steps."""

    family: str
    question: str
    answer: str
    steps: tuple[Step, ...]

    @property
    def result(self) -> int:
        """The final answer."""
        return self.steps[-1].result

    def record(self) -> dict[str, str]:
        """Return the two GSM8K fields."""
        return {"question": self.question, "answer": self.answer}


class OutOfBounds(ValueError):
    """A drawn step breaks the bounds; the story has to be drawn again."""


def make_step(left: int, operator: str, right: int) -> Step:
    """Compute one step, raising OutOfBounds when its result is not allowed."""
    if operator == "/" and left % right:
        raise OutOfBounds
    result = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "/": left // right,
    }[operator]
    if not 1 <= result <= LARGEST_RESULT:
        raise OutOfBounds
    return Step(left, operator, right, result)


class Story:
    """A story under construction: sentences, steps and the words to fill in."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sentences: list[str] = []
        self.steps: list[Step] = []
        female = rng.random() < 0.5
        name = rng.choice(GIRLS if female else BOYS)
        friends = [other for other in GIRLS + BOYS if other != name]
        he, him, his = ("she", "her", "her") if female else ("he", "him", "his")
        self.friends = rng.sample(friends, 3)
        self.words = {"name": name, "he": he, "him": him, "his": his}
        self.words |= {"He": he.capitalize(), "His": his.capitalize()}
        self.words |= {"items": rng.choice(ITEMS), "boxes": rng.choice(CONTAINERS)}

    def say(self, phrases: tuple[str, ...], **numbers: int | str) -> None:
        """Append one of the phrases, filled in."""
        drawn = {"friend": self.rng.choice(self.friends), "giver": self.rng.choice(GIVERS)}
        self.sentences.append(self.rng.choice(phrases).format(**(self.words | drawn | numbers)))

    def compute(self, left: int, operator: str, right: int) -> int:
        """Append one step and return its result."""
        self.steps.append(make_step(left, operator, right))
        return self.steps[-1].result


def _draw_share(rng: random.Random, amount: int) -> int:
    """Draw an exact divisor for a final share, large ones more often."""
    exact = [divisor for divisor in DIVISORS if amount % divisor == 0]
    if not exact:
        raise OutOfBounds
    return rng.choices(exact, [divisor**2 for divisor in exact])[0]


def _draw_operand(rng: random.Random, operator: str, amount: int) -> int:
    if operator == "*":
        return rng.choice(MULTIPLIERS)
    if operator == "/":
        exact = [divisor for divisor in DIVISORS if amount % divisor == 0]
        if not exact:
            raise OutOfBounds
        return rng.choice(exact)
    return rng.choice(SMALL_AMOUNTS)


def _continue_story(
    story: Story, amount: int, count: int, kind: str, phrases: dict[str, tuple[str, ...]]
) -> None:
    """Run the amount through further steps until the story has `count` steps, then ask."""
    rng = story.rng
    ends_with_share = rng.random() < FINAL_SHARE_CHANCE[count] and len(story.steps) < count
    scaled = False  # whether the step before multiplied or divided the running amount
    while len(story.steps) < count:
        last = len(story.steps) == count - 1
        sharing = last and ends_with_share
        if sharing:
            operator = "/"
        else:
            # A scaling step just before the final share would put two of them side by side.
            before_share = ends_with_share and len(story.steps) == count - 2
            operator = rng.choice("+-" if scaled or before_share else "++--*/")
        operand = _draw_share(rng, amount) if sharing else _draw_operand(rng, operator, amount)
        amount = story.compute(amount, operator, operand)
        scaled = operator in "*/"
        if sharing:
            story.say(FINAL_SHARE[kind], n=operand)
            return
        story.say(phrases[operator], n=operand)
    story.say(FINAL_QUESTION[kind])


def _tell_inventory(story: Story, count: int) -> None:
    amount = story.rng.choice(START_AMOUNTS)
    story.say(INVENTORY_START, n=amount)
    _continue_story(story, amount, count, "items", RUNNING_ITEMS)


def _tell_containers(story: Story, count: int) -> None:
    boxes, each = story.rng.choice(GROUP_SIZES), story.rng.choice(GROUP_SIZES)
    story.say(CONTAINER_START, m=boxes, n=each)
    amount = story.compute(boxes, "*", each)
    _continue_story(story, amount, count, "items", RUNNING_ITEMS)


def _tell_money(story: Story, count: int) -> None:
    rng = story.rng
    if rng.random() < 0.5:
        hours, wage = rng.choice(GROUP_SIZES), rng.choice(GROUP_SIZES)
        story.say(WAGE_START, m=hours, n=wage)
        amount = story.compute(hours, "*", wage)
    else:
        first, second = rng.choice(START_AMOUNTS), rng.choice(SMALL_AMOUNTS)
        story.say(GIFT_START, m=first, n=second)
        amount = story.compute(first, "+", second)
    story.words["items"] = "dollars"
    _continue_story(story, amount, count, "money", RUNNING_MONEY)


def _tell_comparison(story: Story, count: int) -> None:
    rng = story.rng
    amount = rng.choice(START_AMOUNTS)
    story.say(INVENTORY_START, n=amount)
    persons = [story.words["name"], *story.friends]
    held = [amount]
    # Two persons need two steps (compare, add); three need four.
    for index in range(1, rng.choice((2, 3)) if count >= 4 else 2):
        operator = rng.choice("+-*/")
        operand = 2 if operator == "/" else _draw_operand(rng, operator, held[-1])
        phrases = COMPARISONS[operator]
        story.say(phrases, n=operand, name=persons[index - 1], other=persons[index])
        held.append(story.compute(held[-1], operator, operand))
    total = held[0]
    for other in held[1:]:
        total = story.compute(total, "+", other)
    if len(story.steps) < count:
        story.say(SUM_SENTENCES)
    _continue_story(story, total, count, "group", RUNNING_GROUP)


FAMILIES: dict[str, Callable[[Story, int], None]] = {
    "inventory": _tell_inventory,
    "containers": _tell_containers,
    "money": _tell_money,
    "comparison": _tell_comparison,
}


def _worked_answer(story: Story) -> str:
    lines = []
    for step in story.steps:
        expression = f"{step.expression()}={step.block()}{step.result}"
        sentence = story.rng.choice(STEP_SENTENCES[step.operator])
        lines.append(sentence.format(e=expression, items=story.words["items"]))
    return "\n".join([*lines, f"#### {story.steps[-1].result}"])


def make_problem(rng: random.Random, step_count: int | None = None) -> Problem:
    """Draw one problem, with a given or a drawn number of steps."""
    family = rng.choice(tuple(FAMILIES))
    if step_count is None:
        step_count = rng.choices(tuple(STEP_WEIGHTS), tuple(STEP_WEIGHTS.values()))[0]
    while True:
        story = Story(rng)
        try:
            FAMILIES[family](story, step_count)
        except OutOfBounds:
            continue
        answer = _worked_answer(story)
        return Problem(family, " ".join(story.sentences), answer, tuple(story.steps))


def make_problems(count: int, seed: int, exclude: Collection[str] = ()) -> list[Problem]:
    """Draw problems with distinct questions, none of them in `exclude`."""
    rng = random.Random(f"stories {seed}")
    seen = set(exclude)
    problems: list[Problem] = []
    while len(problems) < count:
        problem = make_problem(rng)
        if problem.question not in seen:
            seen.add(problem.question)
            problems.append(problem)
    return problems


def step_counts(total: int) -> list[int]:
    """Return `total` step counts in the fixed proportions, interleaved."""
    weight_sum = sum(STEP_WEIGHTS.values())
    quota = {steps: total * weight // weight_sum for steps, weight in STEP_WEIGHTS.items()}
    for steps in list(STEP_WEIGHTS)[: total - sum(quota.values())]:
        quota[steps] += 1
    # Spread each step count evenly over the list, so that every part of it has all of them.
    places = [((i + 0.5) / n, steps) for steps, n in quota.items() for i in range(n)]
    return [steps for _, steps in sorted(places)]


def make_sample(count: int, seed: int) -> list[Problem]:
    """Draw distinct problems with fixed shares of step counts."""
    rng = random.Random(f"sample {seed}")
    seen: set[str] = set()
    problems: list[Problem] = []
    for steps in step_counts(count):
        problem = make_problem(rng, steps)
        while problem.question in seen:
            problem = make_problem(rng, steps)
        seen.add(problem.question)
        problems.append(problem)
    return problems


def write_jsonl(problems: list[Problem], path: Path) -> None:
    """Write one JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(problem.record()) + "\n" for problem in problems]
    path.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Write a sample of problems."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_jsonl(make_sample(arguments.count, arguments.seed), arguments.out)


if __name__ == "__main__":
    main()
