"""Starts for engines that write, and what comes of them."""

import numpy as np

from cotsieve.engine.written.model import ReasoningModel
from cotsieve.engine.written.starts import LONGEST_TAIL, Start, families

LENGTHS = (31, 5, 64, 12, 1, 47, 20, 33, 9)


def tokens(count: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(0, 250, count).tolist())


def starts(lengths=LENGTHS, **more) -> list[Start]:
    return [
        Start((number, 0), tokens(length, number), seed=number, **more)
        for number, length in enumerate(lengths)
    ]


def relatives(problem: int, common: int = 80) -> list[Start]:
    """Starts that begin alike and part at different places."""
    trunk = tokens(common, 100 + problem)
    tails = [(common, 1), (common, 9), (common - 20, 25), (common - 50, 3), (common // 4, 1)]
    made = [trunk[:reach] + tokens(own, 7 * problem + own) for reach, own in tails]
    made.append(trunk[: common // 2])  # ends inside the common text
    made.append(tokens(5, 55) + tokens(LONGEST_TAIL + 5, problem))  # a stranger
    return [Start((problem, place), row, seed=place) for place, row in enumerate(made)]


def run(model: ReasoningModel, groups) -> dict:
    """Key → (token ids, finish reason); every start must come once."""
    waiting = [family for group in groups for family in families(group)]
    finished = [row for rows in model.engine.run(waiting) for row in rows]
    assert len(finished) == len({key for key, _ in finished}) == sum(map(len, groups))
    return {key: (done.token_ids, done.finish_reason) for key, done in finished}


def lone(made: list[Start]) -> list[list[Start]]:
    return [[start] for start in made]
