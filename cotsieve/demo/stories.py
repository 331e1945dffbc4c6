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


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIRLS = _words(
    "Anna Bella Chloe Dina Emma Fiona Grace Hana Ivy Julia "
    "Kira Lena Maria Nora Olga Paula Rosa Sara Tina Wendy"
)
BOYS = _words(
    "Adam Ben Carl David Eric Frank George Hugo Ivan Jack "
    "Kevin Liam Mark Noah Oscar Peter Ryan Sam Tom Victor"
)
ITEMS = _words(
    "apples balls beads books buttons candles cards coins cookies crayons "
    "eggs flowers lemons marbles muffins pencils shells stamps stickers stones toys"
)
CONTAINERS = _words("bags baskets boxes crates jars trays")
GIVERS = _words("aunt uncle mother father neighbor teacher")


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


RUNNING_ITEMS = {
    "+": (
        "{He} buys {n} more {items}.",
        "Then {friend} gives {him} {n} {items}.",
        "After that {he} finds {n} {items}.",
        "{His} {giver} sends {him} another {n} {items}.",
        "The next day {he} gets {n} more.",
    ),
    "-": (
        "{He} gives {n} {items} to {friend}.",
        "Then {he} loses {n} of the {items}.",
        "After that {he} sells {n} {items}.",
        "{friend} takes away {n} {items}.",
        "The next day {n} {items} are thrown away.",
    ),
    "*": (
        "By the end of the week {he} has {n} times as many {items}.",
        "Then the number of {items} grows to {n} times as much.",
        "{He} keeps collecting until {he} has {n} times as many {items}.",
    ),
    "/": (
        "{He} splits the {items} into {n} equal piles and keeps only one pile.",
        "Then only one out of every {n} {items} is left.",
        "{He} puts them evenly on {n} shelves and sells all but one shelf.",
    ),
}
RUNNING_MONEY = {
    "+": (
        "{He} earns {n} dollars by washing a car.",
        "Then {friend} pays {him} back {n} dollars.",
        "{His} {giver} gives {him} another {n} dollars.",
        "After that {he} finds {n} dollars.",
        "The next day {he} makes {n} dollars more.",
    ),
    "-": (
        "{He} spends {n} dollars on lunch.",
        "Then {he} buys a ticket for {n} dollars.",
        "{He} lends {n} dollars to {friend}.",
        "After that {he} pays {n} dollars for the bus.",
        "The next day {he} loses {n} dollars.",
    ),
    "*": (
        "By the end of the month {his} savings grow to {n} times as much.",
        "Then {his} {giver} adds money until {he} has {n} times as much.",
        "{He} keeps saving until {he} has {n} times as many dollars.",
    ),
    "/": (
        "{He} splits the money into {n} equal parts and keeps only one part.",
        "Then only one out of every {n} dollars is left.",
        "{He} puts the money evenly into {n} jars and spends all but one jar.",
    ),
}
RUNNING_GROUP = {
    "+": (
        "Together they buy {n} more {items}.",
        "Then they find {n} more {items}.",
        "Their {giver} brings them another {n} {items}.",
    ),
    "-": (
        "Together they give away {n} of the {items}.",
        "Then they lose {n} {items}.",
        "After that they sell {n} {items}.",
    ),
    "*": (
        "By the end of the week they have {n} times as many {items}.",
        "They keep collecting until they have {n} times as many {items}.",
        "Then the number of {items} grows to {n} times as much.",
    ),
    "/": (
        "They split the {items} into {n} equal piles and keep only one pile.",
        "Then only one out of every {n} {items} is left.",
        "They put them evenly on {n} shelves and sell all but one shelf.",
    ),
}
EACH_FRIEND = "How many {items} does each friend get?"
FINAL_SHARE = {
    "items": (
        "{He} shares the {items} equally among {n} friends. How many {items} does each friend get?",
        "In the end {he} puts the {items} into {n} equal rows. How many {items} are in each row?",
        "{He} packs all the {items} evenly into {n} bags. How many {items} are in one bag?",
    ),
    "money": (
        "{He} shares the money equally among {n} friends. How many dollars does each friend get?",
        "{He} spends all the money evenly over {n} days. How many dollars does {he} spend per day?",
        "In the end {he} puts the money into {n} equal piles. How many dollars are in each pile?",
    ),
    "group": (
        f"They share all the {{items}} equally among {{n}} friends. {EACH_FRIEND}",
        "In the end they put the {items} into {n} equal rows. How many {items} are in each row?",
        "They pack all the {items} evenly into {n} bags. How many {items} are in one bag?",
    ),
}
FINAL_QUESTION = {
    "items": (
        "How many {items} does {name} have now?",
        "How many {items} are left in the end?",
        "How many {items} does {he} have in total?",
    ),
    "money": (
        "How many dollars does {name} have now?",
        "How much money is left in the end?",
        "How many dollars does {he} have in total?",
    ),
    "group": (
        "How many {items} do they have now?",
        "How many {items} are left in the end?",
        "How many {items} do they have together?",
    ),
}
INVENTORY_START = (
    "{name} has {n} {items}.",
    "{name} starts the day with {n} {items}.",
    "{name} brings {n} {items} to school.",
    "{name} collected {n} {items}.",
)
CONTAINER_START = (
    "{name} has {m} {boxes} with {n} {items} in each.",
    "{name} fills {m} {boxes} with {n} {items} each.",
    "{name} finds {m} {boxes} that hold {n} {items} each.",
    "{name} buys {m} {boxes} of {items}, and every one contains {n} {items}.",
)
WAGE_START = (
    "{name} works for {m} hours and earns {n} dollars per hour.",
    "{name} walks dogs for {m} days and gets {n} dollars each day.",
    "{name} sells {m} cakes for {n} dollars each.",
)
GIFT_START = (
    "{name} gets {m} dollars from {his} {giver} and {n} dollars from {friend}.",
    "{name} saved {m} dollars in May and {n} dollars in June.",
    "{name} has {m} dollars in a wallet and {n} dollars at home.",
)
COMPARISONS = {
    "+": (
        "{other} has {n} more {items} than {name}.",
        "{other} collected {n} more than {name}.",
        "{name} has {n} fewer {items} than {other}.",
    ),
    "-": (
        "{other} has {n} fewer {items} than {name}.",
        "{other} collected {n} fewer than {name}.",
        "{name} has {n} more {items} than {other}.",
    ),
    "*": (
        "{other} has {n} times as many {items} as {name}.",
        "{other} collected {n} times as many as {name}.",
    ),
    "/": (
        "{other} has half as many {items} as {name}.",
        "{other} collected half as many as {name}.",
    ),
}
SUM_SENTENCES = (
    "All their {items} go into one chest.",
    "They put all their {items} together.",
    "They count all of the {items}.",
)
STEP_SENTENCES = {
    "+": ("That makes {e} {items}.", "Adding gives {e} {items}."),
    "-": ("That leaves {e} {items}.", "Taking away gives {e} {items}."),
    "*": ("Multiplying gives {e} {items}.", "That is {e} {items}."),
    "/": ("Dividing gives {e} {items}.", "Each part is {e} {items}."),
}


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
