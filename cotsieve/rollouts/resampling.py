"""Rollouts around the sentences of a trace: written anew from each of them on, or answered at once.

All rollouts of a sentence read the same, and each sentence of a trace what the one before it reads
and more: they are given to the engine together, which reads what they share once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotsieve.ground.seeds import digest
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.prefixes import prefix
from cotsieve.rollouts.reasoning import Cell, rows_of
from cotsieve.rollouts.reasoning_model import ReasoningModel
from cotsieve.rollouts.recipe import Recipe

log = logging.getLogger(__name__)

Row = dict[str, Any]

RESAMPLE, FORCE = "resample", "force"


@dataclass(frozen=True)
class Sentence:
    """A sentence of a trace, and what is read before it."""

    unit: Problem
    """What the frame of a job takes for a problem: it stands for this sentence."""
    question: str
    before: tuple[int, ...] | None
    """Tokens of the thought up to the sentence; None where only the text is known."""
    text: str
    """Or their text."""

    @property
    def trace(self) -> str:
        return self.unit.problem_id.rpartition(":")[0]


def unit_id(problem_id: str, sample: int, sentence: int) -> str:
    """How a sentence of a trace is called in a table of rollouts."""
    return f"{problem_id}:{sample}:{sentence}"


def parsed_unit(name: str) -> tuple[str, int, int]:
    """Problem id, sample and sentence that `unit_id` put together."""
    problem_id, sample, sentence = name.rsplit(":", 2)
    return problem_id, int(sample), int(sentence)


def sentences_of(
    problem: Problem, rows: Sequence[Row], form: str, ids: Sequence[int] | None
) -> list[Sentence]:
    """The chosen sentences of one trace; `rows` are all of its rows of the table of sentences.

    `ids` are the tokens of its thought, which `form` as-written reads as they are.
    """
    chunks = [row["text"] for row in rows]
    found = []
    for row in rows:
        if not row["chosen"]:
            continue
        before = None
        if form == "as-written" and ids is not None:
            before = tuple(ids[: row["first_token"]])
        written = "joined" if form == "as-written" else form
        text = "" if before is not None else prefix(chunks, row["sentence"], written)
        name = unit_id(problem.problem_id, row["sample"], row["sentence"])
        question = f"{problem.question}\n{digest(before if before is not None else text)}"
        unit = Problem(name, problem.source, problem.row, question, None, "", 0, "", problem.error)
        found.append(Sentence(unit, problem.question, before, text))
    return found


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
    alone = sum(len(cell.tokens) for group in groups for cell in group)
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
