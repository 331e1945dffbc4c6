"""Explicit chain of thought: traces with the reasoning intact, and answers without it.

A trace is what the model writes on its own. Every ablation starts from a stored trace: it reads the
question with the reasoning changed, cut or hidden, and answers. What the starts of a problem have
in common is read once.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import Any, NamedTuple

from cotsieve.engine.decoding import Completion
from cotsieve.engine.sampling import stream_seed
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.engine.written.reading_edits import ReadingReference, ReferenceText, reading_edit
from cotsieve.engine.written.starts import ReadingEdit, Start, families
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.thoughts import Intervention
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.given_reasoning import Donors, Row, Trace, given_reasoning
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE
from cotsieve.rollouts.table import digest_of_tokens


class Cell(NamedTuple):
    """One rollout to make: what is read before the model writes."""

    problem: Problem
    condition: str
    sample: int
    tokens: tuple[int, ...] = ()
    given: int = 0
    """Reasoning tokens among them."""
    answers: bool = False
    """Whether the reasoning is over, so that all that is written is answer."""
    prefix: str = ""
    """Text of a forced answer, which is graded with what follows it."""
    unseen: tuple[int, int] | None = None
    edit: ReadingEdit | None = None
    told: Mapping[str, Any] = MappingProxyType({})
    """What the row tells of the reasoning it gave."""
    error: str | None = None


def trace(
    model: ReasoningModel,
    recipe: Recipe,
    problems: Sequence[Problem],
    samples: Sequence[int],
    given: bool = False,
) -> Iterator[list[Row]]:
    """Baseline rollouts as rows of the rollouts table, every problem × sample once.

    With `given` the reasoning is that of the problem, and only the answer is written.
    """
    groups = []
    for problem in problems:
        cell = _traced(model, problem, given)
        groups.append([cell._replace(sample=sample) for sample in samples])
    yield from rows_of(model, recipe, groups)


def _traced(model: ReasoningModel, problem: Problem, given: bool) -> Cell:
    cell = Cell(problem, BASELINE, 0, error=problem.error)
    if problem.error:
        return cell
    if not given:
        return cell._replace(tokens=model.opened(problem.question))
    if problem.reasoning is None:
        return cell._replace(error="the source gives no reasoning for this problem")
    tokens = model.closed(problem.question, problem.reasoning)
    return cell._replace(
        tokens=tokens, given=model.thought_length(problem.question, tokens), answers=True
    )


def ablate(
    model: ReasoningModel,
    recipe: Recipe,
    stored: Sequence[Trace],
    interventions: Mapping[str, Intervention | None],
    donors: Sequence[Trace] = (),
) -> Iterator[list[Row]]:
    """Rollouts of every trace under every condition but the baseline.

    `interventions` maps conditions on the residual stream to what they do; the others change the
    reasoning itself, as their definitions say.
    """
    others = Donors(donors, _activations(model, interventions, donors))
    groups = []
    for item in stored:
        cells = [
            _cell(model, recipe, name, item, interventions.get(name), others)
            for name in recipe.conditions
            if name != BASELINE
        ]
        groups.append(sorted(cells, key=lambda cell: -len(cell.tokens)))
    yield from rows_of(model, recipe, groups)


def _activations(
    model: ReasoningModel,
    interventions: Mapping[str, Intervention | None],
    donors: Sequence[Trace],
) -> ReadingReference | None:
    sites: dict[str, set[tuple[int, str]]] = {"mean": set(), "resample": set()}
    for what in interventions.values():
        if what and what.needs_reference:
            sites[what.operation].add(what.source)
    if not any(sites.values()):
        return None
    texts = []
    for donor in donors:
        first = len(model.opened(donor.problem.question))
        tokens = model.cut(donor.problem.question, donor.reasoning, whole=donor.whole)
        texts.append(
            ReferenceText(donor.problem.problem_id, tokens, first, first + len(donor.reasoning))
        )
    return ReadingReference(
        model.engine.decoder, texts, averaged=sites["mean"], kept=sites["resample"]
    )


def _cell(
    model: ReasoningModel,
    recipe: Recipe,
    name: str,
    item: Trace,
    intervention: Intervention | None,
    donors: Donors,
) -> Cell:
    problem, definition = item.problem, recipe.conditions[name]
    cell = Cell(problem, name, item.sample)
    if item.error:
        return cell._replace(error=f"its baseline failed: {item.error}")
    forced, question = definition.get("answer") == "forced", problem.question
    first = len(model.opened(question))
    span = (first, first + len(item.reasoning))
    try:
        edit = intervention and reading_edit(
            intervention, problem.problem_id, span, donors.activations
        )
        given = given_reasoning(model, definition, item, donors)
    except BadInput as error:
        return cell._replace(error=str(error.findings[0]))
    return cell._replace(
        tokens=given.tokens(model, question, forced),
        given=given.length(model, question, forced),
        answers=True,
        prefix=model.style.forced_answer if forced else "",
        unseen=span if definition.get("attention") == "blocked" else None,
        edit=edit,
        told=given.told,
    )


def rows_of(
    model: ReasoningModel, recipe: Recipe, groups: Sequence[Sequence[Cell]]
) -> Iterator[list[Row]]:
    """Run the cells, those of one group sharing what they read."""
    cells: list[Cell] = []
    waiting = []
    for group in groups:
        starts = []
        for cell in group:
            why = cell.error or model.too_long(cell.tokens)
            cells.append(cell._replace(error=why))
            if not why:
                starts.append(_start(recipe, cells[-1], len(cells) - 1))
        waiting += families(starts)
    yield [_row(model, recipe, cell, _failure(cell.error)) for cell in cells if cell.error]
    for finished in model.engine.run(waiting):
        yield [_row(model, recipe, cells[index], done) for (index, _), done in finished]


def _start(recipe: Recipe, cell: Cell, index: int) -> Start:
    definition = recipe.conditions[cell.condition]
    seed = stream_seed(recipe.seed, cell.problem.problem_id, cell.sample, definition)
    return Start((index, 0), cell.tokens, cell.unseen, cell.edit, seed)


def _failure(why: str) -> Completion:
    return Completion((), "failed", float("nan"), why)


def _row(model: ReasoningModel, recipe: Recipe, cell: Cell, done: Completion) -> Row:
    failed = done.finish_reason == "failed"
    found = model.read(done.token_ids)
    answer, answered = found.answer, found.answer_text
    if cell.answers and answer is None:
        answer, answered = done.token_ids, found.text
    return {
        "problem_id": cell.problem.problem_id,
        "condition": cell.condition,
        "sample": cell.sample,
        "token_ids": None if failed else list(done.token_ids),
        "text": None if failed else found.text,
        "answer_text": None if failed or answer is None else cell.prefix + answered,
        "finish_reason": done.finish_reason,
        "error": done.error,
        "prompt_tokens": len(cell.tokens) - cell.given,
        "thought_tokens": None if failed else cell.given if cell.answers else len(found.reasoning),
        "answer_tokens": None if failed else len(answer or ()),
        "margin": None if failed or isnan(done.margin) else done.margin,
        "imported_prediction": None,
        "read_digest": digest_of_tokens(cell.tokens) if cell.tokens else None,
        **cell.told,
        "row_key": recipe.row_key(cell.problem, cell.condition, cell.sample),
    }
