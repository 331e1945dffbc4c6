"""Which traces are looked at, of problems that a model solves sometimes, and their sentences."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cotsieve.interventions.places import Place

Row = Mapping[str, Any]
Placed = Callable[[Row], Sequence[Place]]
"""A baseline rollout → the sentences of its thought."""


class Chosen(NamedTuple):
    """A trace that is looked at: its row with verdict and prediction, and its sentences."""

    row: Row
    places: Sequence[Place]


def chosen_traces(
    samples: Mapping[str, Sequence[Row]],
    placed: Placed,
    *,
    accuracy: Sequence[float],
    base: str,
    problems: int | None,
    most: int,
) -> list[Chosen]:
    """One whole trace per kind, of the first `problems` that qualify.

    `samples` maps problems, in order, to their baseline rollouts with prediction and verdict. A
    problem qualifies by the share of correct ones among all of them, from `accuracy[0]` to
    `accuracy[1]`, and where `base` (correct, incorrect or both) is found in a trace that ended, of
    at most `most` sentences.
    """
    low, high = accuracy
    wanted = ("correct", "incorrect") if base == "both" else (base,)
    found: list[Chosen] = []
    taken = 0
    for rows in samples.values():
        if taken == problems:
            break
        share = sum(row["verdict"] == "correct" for row in rows) / max(len(rows), 1)
        if not low <= share <= high:
            continue
        traces = [_first(rows, verdict, placed, most) for verdict in wanted]
        if all(traces):
            taken += 1
            found += traces
    return found


def _first(rows: Iterable[Row], verdict: str, placed: Placed, most: int) -> Chosen | None:
    """The first trace with a verdict that ended of itself and came to an answer."""
    for row in rows:
        ended = row["finish_reason"] == "stop" and row["answer_text"] is not None
        if ended and row["verdict"] == verdict:
            places = placed(row)
            if 0 < len(places) <= most:
                return Chosen(row, places)
    return None


def sentence_rows(
    chosen: Iterable[Chosen], references: Mapping[str, str], every: int
) -> Iterator[dict[str, Any]]:
    """Rows of SENTENCES; each `every`-th sentence of a trace gets rollouts, and the last."""
    for row, places in chosen:
        last = len(places) - 1
        for number, place in enumerate(places):
            yield {
                "problem_id": row["problem_id"],
                "sample": row["sample"],
                "sentence": number,
                "sentences": len(places),
                **place._asdict(),
                "chosen": number % every == 0 or number == last,
                "base_correct": row["verdict"] == "correct",
                "base_answer": row["prediction"],
                "reference_answer": references[row["problem_id"]],
            }
