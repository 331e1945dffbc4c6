"""Rows that do not depend on their company: those near a tie are run again alone."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cotsieve.rollouts.decoding import Completion, Finished
from cotsieve.rollouts.latent import LatentEngine
from cotsieve.rollouts.narrow import Gate
from cotsieve.rollouts.work import Work

log = logging.getLogger(__name__)

NEAR_TIE = 1e-3
"""Rows whose best two logits come closer than this are run again alone: two batches may disagree
on them in the last bits of float32, and results must not depend on the batch."""

Key = tuple[int, int]


def settled(engine: LatentEngine, work: Work, gate: Gate | None) -> Iterator[list[Finished]]:
    """The rows of a run. With a gate, those it doubts come from its float32 engine."""
    if gate is None:
        yield from _ties_alone(engine, work)
        return
    doubted: list[Key] = []
    for finished in engine.run(work):
        again = {key for key, done in finished if gate.doubts(done)}
        doubted += again
        yield [row for row in finished if row[0] not in again]
    total = len(work.questions) * len(work.conditions)
    log.info("%d of %d rows are run again in float32", len(doubted), total)
    for condition in sorted({condition for _, condition in doubted}):
        problems = sorted(problem for problem, other in doubted if other == condition)
        part = _part(work, problems, condition)
        for finished in _ties_alone(gate.engine(), part):
            yield [((problems[index], condition), done) for (index, _), done in finished]


def _ties_alone(engine: LatentEngine, work: Work) -> Iterator[list[Finished]]:
    near: list[Key] = []
    for finished in engine.run(work):
        close = {key for key, done in finished if min(done.margin, done.choice_gap) < NEAR_TIE}
        near += close
        yield [row for row in finished if row[0] not in close]
    for key in sorted(near):
        yield [(key, _alone(engine, work, *key))]


def _alone(engine: LatentEngine, work: Work, problem: int, condition: int) -> Completion:
    """One row of the work by itself, with only the baseline beside it: the same every time."""
    ((_, done),) = [row for rows in engine.run(_part(work, [problem], condition)) for row in rows]
    return done


def _part(work: Work, problems: Sequence[int], condition: int) -> Work:
    """The rows of one condition alone; the baseline is computed beside them, but not written."""
    return replace(
        work,
        questions=[work.questions[i] for i in problems],
        problem_ids=[work.problem_ids[i] for i in problems],
        conditions=[None, work.conditions[condition]] if condition else [None],
        given={1: work.given[condition][problems]} if condition in work.given else {},
        baseline=not condition,
    )
