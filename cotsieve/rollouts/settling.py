"""Rows that do not depend on their company: those near a tie are run again in float64."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from cotsieve.rollouts.decoding import Finished
from cotsieve.rollouts.latent import LatentEngine
from cotsieve.rollouts.narrow import Gate
from cotsieve.rollouts.work import Work

log = logging.getLogger(__name__)

NEAR_TIE = 1e-3
"""Rows whose best two logits come closer than this are run again in float64: two batches may
disagree on them in the last bits of float32, and results must not depend on the batch. In float64
only a perfect tie is left to the batch. Running such rows one by one would settle them too, but a
GPU takes as long for one row as for hundreds."""

Key = tuple[int, int]


def settled(engine: LatentEngine, work: Work, gate: Gate | None) -> Iterator[list[Finished]]:
    """The rows of a run. With a gate, those it doubts come from its float32 engine.

    In 16 bits without a gate nothing is settled: there the batch may decide a row.
    """
    if gate is None:
        wide = engine.decoder.dtype == torch.float32
        yield from _settled_ties(engine, work) if wide else engine.run(work)
        return
    doubted: list[Key] = []
    for finished in engine.run(work):
        again = {key for key, done in finished if gate.doubts(done)}
        doubted += again
        yield [row for row in finished if row[0] not in again]
    log.info("%d of %d rows are run again in float32", len(doubted), work.rows)
    yield from _again(doubted, work, lambda part: _settled_ties(gate.engine(), part))


def _settled_ties(engine: LatentEngine, work: Work) -> Iterator[list[Finished]]:
    near: list[Key] = []
    for finished in engine.run(work):
        close = {key for key, done in finished if min(done.margin, done.choice_gap) < NEAR_TIE}
        near += close
        yield [row for row in finished if row[0] not in close]
    yield from _again(near, work, engine.in_double().run)


def _again(
    keys: Sequence[Key], work: Work, run: Callable[[Work], Iterator[list[Finished]]]
) -> Iterator[list[Finished]]:
    """Some rows of the work once more, condition by condition."""
    for condition in sorted({condition for _, condition in keys}):
        problems = sorted(problem for problem, other in keys if other == condition)
        for finished in run(_part(work, problems, condition)):
            yield [((problems[index], condition), done) for (index, _), done in finished]


def _part(work: Work, problems: Sequence[int], condition: int) -> Work:
    """The rows of one condition alone."""
    return replace(
        work,
        questions=[work.questions[i] for i in problems],
        problem_ids=[work.problem_ids[i] for i in problems],
        conditions=[None, work.conditions[condition]] if condition else [None],
        given={1: work.given[condition][problems]} if condition in work.given else {},
        baseline=not condition,
    )
