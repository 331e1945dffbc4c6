"""Run the problems of a shard under every condition of a sweep; the work of a generation job."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors.torch import load_file

from cotsieve.engine.decoding import Completion
from cotsieve.engine.latent.edits import Reference
from cotsieve.engine.latent.model import LatentModel
from cotsieve.engine.latent.settling import settled
from cotsieve.engine.latent.work import Work
from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.interventions.changed import seed_of
from cotsieve.interventions.thoughts import Intervention, from_definition
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.table import digest_of_tokens

Row = dict[str, Any]


def generate(
    model: LatentModel,
    recipe: Recipe,
    problems: Sequence[Problem],
    reference: Sequence[Problem] = (),
    *,
    baseline: bool = True,
) -> Iterator[list[Row]]:
    """Yield rows of the rollouts table as they are finished, every problem × condition once.

    The baseline must be among the conditions, since others may need its activations; `baseline`
    says whether its rows are wanted. Problems that cannot be run give rows that say why.
    """
    encoded = dict(zip(problems, _encoded(model, problems), strict=True))
    faults = {problem: _fault(model, problem, tokens) for problem, tokens in encoded.items()}
    yield [
        _row(recipe, problem, condition, encoded[problem], failure(why))
        for problem, why in faults.items()
        if why
        for condition, definition in recipe.conditions.items()
        if baseline or definition is not None
    ]
    usable = [problem for problem in problems if not faults[problem]]
    if not usable:
        return
    questions = [encoded[problem] for problem in usable]
    work = _work(model, recipe, usable, questions, reference, baseline)
    names = list(recipe.conditions)
    donors = _donors(work)
    for finished in settled(model.engine, work, model.gate):
        yield [
            _row(
                recipe,
                usable[index],
                names[condition],
                work.questions[index],
                completion,
                model.text(completion.token_ids),
                donors.get((index, condition)),
            )
            for (index, condition), completion in finished
        ]


def _donors(work: Work) -> dict[tuple[int, int], str]:
    """(problem, condition) of the work → the reference problem whose activations it is given."""
    return {
        (index, condition): work.reference.problem_ids[donor]
        for condition, what in enumerate(work.conditions)
        if what and what.operation == "resample"
        for index, donor in enumerate(work.reference.donors(work.problem_ids, what.seed))
    }


def failure(why: str) -> Completion:
    """The outcome of a row that was not run."""
    return Completion((), "failed", float("nan"), why)


def _encoded(model: LatentModel, problems: Sequence[Problem]) -> list[list[int]]:
    return model.encode([problem.question for problem in problems])


def _fault(model: LatentModel, problem: Problem, tokens: list[int]) -> str | None:
    if not problem.error and not model.engine.style.prompt(tokens):
        return "the question has no tokens"
    return problem.error or model.too_long(tokens)


def _work(
    model: LatentModel,
    recipe: Recipe,
    problems: Sequence[Problem],
    questions: list[list[int]],
    reference: Sequence[Problem],
    baseline: bool = True,
) -> Work:
    interventions = _interventions(model, recipe)
    return Work(
        questions,
        [problem.problem_id for problem in problems],
        interventions,
        _reference(model, interventions, reference),
        _given(model, interventions, problems),
        baseline,
    )


def _interventions(model: LatentModel, recipe: Recipe) -> list[Intervention | None]:
    shape = model.architecture
    return [
        definition
        and from_definition(
            definition,
            layers=shape.layers,
            family=shape.family,
            thoughts=model.engine.style.thoughts,
        )
        for definition in recipe.conditions.values()
    ]


def _reference(
    model: LatentModel, interventions: list[Intervention | None], problems: Sequence[Problem]
) -> Reference | None:
    sites = {what.source for what in interventions if what and what.needs_reference}
    if not sites:
        return None
    tokens = _encoded(model, problems)
    usable = [pair for pair in zip(problems, tokens, strict=True) if not _fault(model, *pair)]
    if len(usable) < 2:
        raise bad(
            "reference", f"only {len(usable)} usable reference problems", "Give at least two."
        )
    engine = model.gate.engine() if model.gate else model.engine
    activations = engine.activations([tokens for _, tokens in usable], sites)
    return Reference([problem.problem_id for problem, _ in usable], activations)


def _given(
    model: LatentModel, interventions: list[Intervention | None], problems: Sequence[Problem]
) -> dict[int, torch.Tensor]:
    """Activations from files, one tensor (T, H) per problem id."""
    given = {}
    for index, what in enumerate(interventions):
        if what is None or what.operation != "patch" or what.activations == "self":
            continue
        stored = load_file(what.activations)
        shape = (model.engine.style.thoughts, model.architecture.hidden)
        wrong = [
            problem.problem_id
            for problem in problems
            if problem.problem_id not in stored or stored[problem.problem_id].shape != shape
        ]
        if wrong:
            raise BadInput(
                Finding(
                    what.activations,
                    f"{len(wrong)} problems have no activations of shape {shape}, first {wrong[0]}",
                    "Give one tensor (thoughts, hidden) per problem id.",
                )
            )
        values = torch.stack([stored[problem.problem_id] for problem in problems])
        given[index] = values.to(model.engine.decoder.device)
    return given


def _row(
    recipe: Recipe,
    problem: Problem,
    condition: str,
    question: list[int],
    completion: Completion,
    text: str | None = None,
    donor: str | None = None,
) -> Row:
    failed = completion.finish_reason == "failed"
    return {
        "problem_id": problem.problem_id,
        "condition": condition,
        "sample": 0,
        "token_ids": None if failed else list(completion.token_ids),
        "text": None if failed else text,
        "answer_text": None if failed else text,
        "finish_reason": completion.finish_reason,
        "error": completion.error,
        "prompt_tokens": len(question),
        "thought_tokens": None,
        "answer_tokens": None if failed else len(completion.token_ids),
        "margin": None if failed else completion.margin,
        "imported_prediction": None,
        "read_digest": digest_of_tokens(question) if question else None,
        "donor": donor,
        "seed": seed_of(recipe.conditions[condition]),
        "row_key": recipe.row_key(problem, condition),
    }
