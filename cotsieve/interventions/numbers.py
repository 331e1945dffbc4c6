"""The numbers of a sentence altered a little, as for the true-thinking score (arXiv 2510.24941)."""

import random
import re

from cotsieve.ground.seeds import seed_from

OFFSETS = (-3, -2, -1, 1, 2, 3)
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def altered_numbers(sentence: str, seed: int | str) -> str | None:
    """The sentence with every number moved by one to three, drawn for each; None if it has none.

    A number never falls below zero; of 1.50 and 1,200 the last whole part moves (1.52, 1,201), so
    that they keep their form. Equal numbers of a sentence stay equal.
    """
    draw = random.Random(seed_from("altered numbers", seed))
    known: dict[str, str] = {}

    def other(found: re.Match) -> str:
        number = found[0]
        if number not in known:
            known[number] = _moved(number, draw)
        return known[number]

    altered = _NUMBER.sub(other, sentence)
    return altered if known else None


def _moved(number: str, draw: random.Random) -> str:
    lead, last = re.fullmatch(r"(.*?)([0-9]+)", number).groups()
    limit = 10 ** len(last) if lead else None
    fitting = [
        offset
        for offset in OFFSETS
        if int(last) + offset >= 0 and (limit is None or int(last) + offset < limit)
    ]
    return f"{lead}{int(last) + draw.choice(fitting):0{len(last)}d}"
