"""Rows that do not depend on their company: those near a tie are run again in float64."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import torch

from cotsieve.engine.decoding import Finished
from cotsieve.engine.latent.engine import LatentEngine
from cotsieve.engine.latent.narrow import Gate, lead_of
from cotsieve.engine.latent.work import Work

log = logging.getLogger(__name__)

NEAR_TIE = 1e-3
"""Rows whose best two logits come closer than this are run again in float64: two batches may
disagree on them in the last bits of float32, and results must not depend on the batch. In float64
only a perfect tie is left to the batch. Running such rows one by one would settle them too, but a
GPU takes as long for one row as for hundreds."""

HELD = 16_384
"""Rows of a 16-bit engine that wait together until it is known which are sure; a job that is killed
loses no more. What later ones tell is not applied to those before."""

Key = tuple[int, int]


def settled(engine: LatentEngine, work: Work, gate: Gate | None) -> Iterator[list[Finished]]:
    """The rows of a run. With a gate, those it doubts come from its float32 engine.

    In 16 bits without a gate nothing is settled: there the batch may decide a row.
    """
    if gate is not None:
        yield from _gated(engine, work, gate)
    elif engine.decoder.dtype == torch.float32:
        yield from _settled_ties(engine, work)
    else:
        yield from engine.run(work)


def _gated(engine: LatentEngine, work: Work, gate: Gate) -> Iterator[list[Finished]]:
    """Rows in 16 bits; those in doubt in float32, the closest first."""
    doubt, again = gate.doubt, 0
    if work.rows <= doubt.wave:
        yield from _settled_ties(gate.engine(), work)
        return
    for part in _parts(work):
        rows = [row for finished in engine.run(work.on(part)) for row in _named(finished, part)]
        rows.sort(key=lambda row: lead_of(row[1]))
        while count := doubt.wanted([lead_of(done) for _, done in rows]):
            wave, rows = dict(rows[:count]), rows[count:]
            again += count
            for finished in _again(wave, work, lambda some: _settled_ties(gate.engine(), some)):
                for key, done in finished:
                    doubt.learn(wave[key], done)
                yield finished
        yield rows
    log.info(
        "%d of %d rows ran again in float32, all with a lead up to %.3f among them; "
        "none with one over %.3f came out otherwise",
        again, work.rows, doubt.lead, doubt.changed,
    )  # fmt: skip


def _parts(work: Work) -> Iterator[list[int]]:
    """Problems of similar length: as many as are held until it is known which rows are sure."""
    order = sorted(range(len(work.questions)), key=lambda i: (-len(work.questions[i]), i))
    size = max(1, HELD * len(order) // work.rows)
    return (order[start : start + size] for start in range(0, len(order), size))


def _settled_ties(engine: LatentEngine, work: Work) -> Iterator[list[Finished]]:
    near: list[Key] = []
    for finished in engine.run(work):
        close = {key for key, done in finished if done.closest < NEAR_TIE}
        near += close
        yield [row for row in finished if row[0] not in close]
    yield from _again(near, work, engine.in_double().run)


def _again(
    keys: Collection[Key], work: Work, run: Callable[[Work], Iterator[list[Finished]]]
) -> Iterator[list[Finished]]:
    """Some rows of the work once more, condition by condition."""
    for condition in sorted({condition for _, condition in keys}):
        problems = sorted(problem for problem, other in keys if other == condition)
        for finished in run(_under(work.on(problems), condition)):
            yield [((problems[index], condition), done) for (index, _), done in finished]


def _under(work: Work, condition: int) -> Work:
    """The rows of one condition alone."""
    return replace(
        work,
        conditions=[None, work.conditions[condition]] if condition else [None],
        given={1: work.given[condition]} if condition in work.given else {},
        baseline=not condition,
    )


def _named(finished: Sequence[Finished], problems: Sequence[int]) -> list[Finished]:
    """Rows of a part by the problems of the whole."""
    return [((problems[index], condition), done) for (index, condition), done in finished]
