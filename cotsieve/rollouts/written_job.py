"""The jobs that run a shard through a model that writes its reasoning: traces, then ablations."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground import tables
from cotsieve.interventions.thoughts import from_definition
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import Job
from cotsieve.rollouts.kept import Row
from cotsieve.rollouts.own_gpu import take_gpu
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS
from cotsieve.rollouts.stretches import Missing
from cotsieve.rollouts.table import writing_rollouts

log = logging.getLogger(__name__)

UNNEEDED = "not traced: the share to be filled was met before"


def run_traces(job: Job) -> None:
    """Write baseline rollouts."""
    writer = cache(lambda: _writer(job))

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.written_rows import trace

        given = job.model["traces"] == "given"
        for pairs, chosen in missing.items():
            yield from trace(writer(), job.recipe, chosen, [sample for _, sample in pairs], given)

    job.run(make, job.decoding["samples"])
    _warn_where_none_ended(job)


def _warn_where_none_ended(job: Job) -> None:
    """Say so where no thought came to its closing tag: it may be that of another model."""
    rows = tables.read(job.output, ROLLOUTS, ["finish_reason", "answer_text"])
    made = rows.filter(pc.not_equal(rows["finish_reason"], "failed"))
    if len(made) and made["answer_text"].null_count == len(made):
        tag, most = job.model["style"]["close"], job.decoding["max_new_tokens"]
        told = "0 of %d thoughts ended: %s never came in %d tokens; see style.close of the model"
        log.warning(told, len(made), tag, most)


def write_untraced(output: str | Path, problems: Sequence[Problem], recipe: Recipe, samples: int):
    """Write baseline rollouts of problems that need none any more; what is kept stays kept."""
    rows = [
        _without(recipe, problem, BASELINE, sample, UNNEEDED)
        for problem in problems
        for sample in range(samples)
    ]
    _write(output, rows, recipe)


def run_ablations(
    job: Job,
    traces: str | Path,
    reference: Sequence[Problem],
    donors: Sequence[str | Path],
) -> None:
    """Write the stored traces of a shard and what the model answers under every condition.

    `traces` is their table; `donors` are those that hold the traces of the reference problems.
    """
    samples = job.decoding["samples"]
    errors = tables.read(traces, ROLLOUTS, ["error"])["error"]
    if errors.unique().to_pylist() == [UNNEEDED]:
        _write_unneeded(job.output, job.problems, samples, job.recipe)
        return
    others = _first_traces(reference, donors)
    loaded = cache(lambda: _loaded(job))

    def baseline(some: Sequence[Problem]) -> pa.Table:
        wanted = pa.array([problem.problem_id for problem in some], pa.string())
        return tables.read(
            traces, ROLLOUTS, where=lambda rows: pc.is_in(rows["problem_id"], wanted)
        )

    def make(missing: Missing) -> Iterator[list[Row]]:
        given = job.model["traces"] == "given"
        return _ablated(missing, loaded(), baseline, others, given, job.recipe)

    job.run(make, samples, given=baseline)


def _write_unneeded(
    output: str | Path, problems: Sequence[Problem], samples: int, recipe: Recipe
) -> None:
    rows = [
        _without(recipe, problem, condition, sample, UNNEEDED)
        for problem in problems
        for condition in recipe.conditions
        for sample in range(samples)
    ]
    _write(output, rows, recipe)


def _write(output: str | Path, rows: Sequence[Row], recipe: Recipe) -> None:
    with writing_rollouts(output, recipe.origin()) as add:
        add(pa.Table.from_pylist(rows, schema=ROLLOUTS))


def _without(recipe: Recipe, problem: Problem, condition: str, sample: int, why: str) -> Row:
    """The row of a rollout that was not made."""
    return dict.fromkeys(ROLLOUTS.names) | {
        "problem_id": problem.problem_id,
        "condition": condition,
        "sample": sample,
        "finish_reason": "failed",
        "error": problem.error or why,
        "row_key": recipe.row_key(problem, condition, sample),
    }


def _first_traces(
    problems: Sequence[Problem], paths: Sequence[str | Path]
) -> list[tuple[Problem, Row]]:
    """The problems of which the tables hold a trace, in order, each with its first."""
    wanted = pa.array([problem.problem_id for problem in problems], pa.string())

    def first(rows: pa.Table) -> pa.ChunkedArray:
        return pc.and_(pc.equal(rows["sample"], 0), pc.is_in(rows["problem_id"], wanted))

    found = {
        row["problem_id"]: row
        for path in paths
        for row in tables.read(path, ROLLOUTS, where=first).to_pylist()
    }
    return [(item, found[item.problem_id]) for item in problems if item.problem_id in found]


def _ablated(
    missing: Missing,
    loaded: Any,
    baseline: Callable[[Sequence[Problem]], pa.Table],
    donors: Sequence[tuple[Problem, Row]],
    given: bool,
    recipe: Recipe,
) -> Iterator[list[Row]]:
    from cotsieve.rollouts.given_reasoning import stored_trace
    from cotsieve.rollouts.written_rows import ablate

    shape = loaded.architecture
    interventions = {
        name: from_definition(definition, layers=shape.layers, family=shape.family, thoughts=1)
        for name, definition in recipe.conditions.items()
        if definition and "operation" in definition
    }
    others = [stored_trace(loaded, problem, row, given) for problem, row in donors]
    others = [trace for trace in others if trace.reasoning]
    wanted = [problem for chosen in missing.values() for problem in chosen]
    rows = {(row["problem_id"], row["sample"]): row for row in baseline(wanted).to_pylist()}
    for pairs, chosen in missing.items():
        for sample in sorted({sample for _, sample in pairs}):
            names = [condition for condition, at in pairs if at == sample]
            stored = [
                stored_trace(loaded, problem, rows[problem.problem_id, sample], given)
                for problem in chosen
            ]
            yield from ablate(loaded, recipe.limited_to(names), stored, interventions, others)


def _writer(job: Job):
    """The model as it writes traces."""
    if job.model["writer"] == "own":
        return _loaded(job)
    from cotsieve.engine.library.vllm import load_vllm_model

    running = job.running
    take_gpu(running.device)
    return load_vllm_model(
        job.model,
        running.files,
        job.decoding,
        device=running.device,
        batch_rows=running.batch_rows,
    )


def _loaded(job: Job):
    from cotsieve.engine.loading import load_reasoning_model

    return job.loaded(load_reasoning_model)
