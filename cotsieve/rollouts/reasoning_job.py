"""The jobs that run a shard through a model that writes its reasoning: traces, then ablations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.interventions import from_definition
from cotsieve.rollouts.job import Running, run_shard, with_torch
from cotsieve.rollouts.kept import KeptRows, Row
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS
from cotsieve.rollouts.stretches import Ahead, Missing
from cotsieve.rollouts.table import writing_rollouts

UNNEEDED = "not traced: the share to be filled was met before"


def run_traces(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
    ahead: Iterable[Ahead] = (),
) -> None:
    """Write baseline rollouts; `model` and `decoding` are the full definitions."""
    writer = cache(lambda: _writer(model, decoding, running))

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.reasoning import trace

        given = model["traces"] == "given"
        for pairs, chosen in missing.items():
            yield from trace(writer(), recipe, chosen, [sample for _, sample in pairs], given)

    run_shard(
        output,
        problems=problems,
        recipe=recipe,
        samples=decoding["samples"],
        kept=kept,
        make=make,
        held_rows=running.held_rows,
        ahead=ahead,
    )


def write_untraced(output: str | Path, problems: Sequence[Problem], recipe: Recipe, samples: int):
    """Write baseline rollouts of problems that need none any more; what is kept stays kept."""
    rows = [
        _without(recipe, problem, BASELINE, sample, UNNEEDED)
        for problem in problems
        for sample in range(samples)
    ]
    _write(output, rows, recipe)


def run_ablations(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    traces: str | Path,
    reference: Sequence[Problem],
    donors: Sequence[str | Path],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
) -> None:
    """Write the stored traces of a shard and what the model answers under every condition.

    `traces` is their table; `donors` are those that hold the traces of the reference problems.
    """
    errors = tables.read(traces, ROLLOUTS, ["error"])["error"]
    if errors.unique().to_pylist() == [UNNEEDED]:
        _write_unneeded(output, problems, decoding["samples"], recipe)
        return
    others = _first_traces(reference, donors)
    loaded = cache(lambda: _loaded(model, decoding, running))

    def baseline(some: Sequence[Problem]) -> pa.Table:
        wanted = pa.array([problem.problem_id for problem in some], pa.string())
        return tables.read(
            traces, ROLLOUTS, where=lambda rows: pc.is_in(rows["problem_id"], wanted)
        )

    def make(missing: Missing) -> Iterator[list[Row]]:
        return _ablated(missing, loaded(), baseline, others, model["traces"] == "given", recipe)

    run_shard(
        output,
        problems=problems,
        recipe=recipe,
        samples=decoding["samples"],
        kept=kept,
        make=make,
        held_rows=running.held_rows,
        given=baseline,
    )


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
    from cotsieve.rollouts.reasoning import ablate, stored_trace

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


def _writer(model: Mapping[str, Any], decoding: Mapping[str, Any], running: Running):
    """The model as it writes traces."""
    if model["writer"] == "own":
        return _loaded(model, decoding, running)
    from cotsieve.rollouts.vllm_writing import load_vllm_model

    return load_vllm_model(
        model, running.files, decoding, device=running.device, batch_rows=running.batch_rows
    )


def _loaded(model: Mapping[str, Any], decoding: Mapping[str, Any], running: Running):
    from cotsieve.rollouts.reasoning_model import load_reasoning_model

    def load():
        return load_reasoning_model(
            model,
            running.files,
            decoding,
            device=running.device,
            batch_rows=running.batch_rows,
        )

    return with_torch(running, load)
