"""When a chain of thought counts as exploratory: by its length, against what a model can read."""

EXPLORATORY = 1 / 64
"""Part of a model's positions from which on a chain counts as exploratory: 512 tokens of 32,768,
2,048 of 131,072. Solutions written for readers are shorter; reasoning models explore for longer."""


def shortest_exploratory(positions: int, part: float = EXPLORATORY) -> int:
    """The length of the shortest exploratory chain, for a model of so many positions."""
    return max(1, round(part * positions))
