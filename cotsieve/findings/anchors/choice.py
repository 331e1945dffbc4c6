"""Which traces are looked at: those of problems that a model solves sometimes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]


class Chosen(NamedTuple):
    """A trace that is looked at."""

    problem_id: str
    sample: int
    correct: bool
    answer: str | None


def chosen_traces(
    samples: Mapping[str, Sequence[Row]],
    *,
    accuracy: Sequence[float],
    base: str,
    problems: int | None,
) -> list[Chosen]:
    """One whole trace per problem and kind, of the first problems that qualify.

    `samples` maps problems, in order, to their baseline rollouts with prediction and verdict. A
    problem qualifies by its share of correct ones among all of them, from `accuracy[0]` to
    `accuracy[1]`, and where `base` (correct, incorrect or both) is found in a trace that ended.
    """
    low, high = accuracy
    found: list[Chosen] = []
    taken = 0
    for problem_id, rows in samples.items():
        if taken == problems:
            break
        share = sum(row["verdict"] == "correct" for row in rows) / max(len(rows), 1)
        wanted = ("correct", "incorrect") if base == "both" else (base,)
        traces = [_first(rows, verdict) for verdict in wanted]
        if low <= share <= high and all(traces):
            taken += 1
            found += [
                Chosen(problem_id, row["sample"], row["verdict"] == "correct", row["prediction"])
                for row in traces
            ]
    return found


def around(count: int, every: int) -> set[int]:
    """The sentences of `count` that get rollouts: every so many, and the last."""
    return {*range(0, count, every), count - 1}


def _first(rows: Iterable[Row], verdict: str) -> Row | None:
    """The first trace with a verdict that ended of itself and came to an answer."""
    return next(
        (
            row
            for row in rows
            if row["verdict"] == verdict
            and row["finish_reason"] == "stop"
            and row["answer_text"] is not None
        ),
        None,
    )
