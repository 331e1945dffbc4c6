"""Rollouts around the sentences of a trace: written anew from each of them on, or answered at once.

All rollouts of a sentence read the same, and each sentence of a trace what the one before it reads
and more: they are given to the engine together, which reads what they share once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cotsieve.engine.written.model import ReasoningModel
from cotsieve.rollouts.around.sentence_units import Sentence
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.written_rows import Cell, rows_of

log = logging.getLogger(__name__)

Row = dict[str, Any]

FORCE = "force"
"""The condition under which the answer is forced; under others the thought goes on."""


def resample(
    model: ReasoningModel,
    recipe: Recipe,
    wanted: Mapping[Sentence, Sequence[tuple[str, int]]],
) -> Iterator[list[Row]]:
    """Rollouts as rows of the rollouts table: for every sentence its (condition, sample) pairs."""
    traces: dict[str, list[Cell]] = {}
    for sentence, pairs in wanted.items():
        starts = {name: _start(model, sentence, name) for name, _ in pairs}
        traces.setdefault(sentence.trace, []).extend(
            starts[name]._replace(sample=sample) for name, sample in pairs
        )
    groups = [sorted(cells, key=lambda cell: -len(cell.tokens)) for cells in traces.values()]
    alone = sum(
        len(cell.tokens) for group in groups for cell in group if not model.too_long(cell.tokens)
    )
    before = model.engine.tokens_read
    yield from rows_of(model, recipe, groups)
    read = model.engine.tokens_read - before
    log.info("%d tokens read, %d saved by reading what rollouts share once", read, alone - read)


def _start(model: ReasoningModel, sentence: Sentence, condition: str) -> Cell:
    """What one rollout reads, whichever sample it is."""
    cell = Cell(sentence.unit, condition, 0, error=sentence.unit.error)
    if cell.error:
        return cell
    reasoning = sentence.before
    if reasoning is None:
        reasoning = model.given(sentence.question, sentence.text) if sentence.text else ()
    if condition == FORCE:
        tokens = model.cut(sentence.question, reasoning, forced=True)
        cell = cell._replace(answers=True, prefix=model.style.forced_answer)
    else:
        tokens = (*model.opened(sentence.question), *reasoning)
    return cell._replace(tokens=tokens, given=len(reasoning))
