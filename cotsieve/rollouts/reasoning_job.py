"""The jobs that run a shard through a model that writes its reasoning: traces, then ablations."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.interventions import from_definition
from cotsieve.rollouts.job import Missing, Running, run_shard, with_torch
from cotsieve.rollouts.kept import KeptRows, Row
from cotsieve.rollouts.recipe import Recipe


def run_traces(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
) -> None:
    """Write baseline rollouts; `model` and `decoding` are the full definitions."""
    samples = decoding["samples"]

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.reasoning import trace

        loaded = _loaded(model, decoding, running)
        given = model["traces"] == "given"
        for pairs, chosen in missing.items():
            yield from trace(loaded, recipe, chosen, [sample for _, sample in pairs], given)

    run_shard(output, problems=problems, recipe=recipe, samples=samples, kept=kept, make=make)


def run_ablations(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    traces: pa.Table,
    donors: Sequence[tuple[Problem, pa.Table]],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
) -> None:
    """Write the stored traces of a shard and what the model answers under every condition.

    `donors` are reference problems, each with the table that holds its trace.
    """
    baseline = traces.to_pylist()
    make = partial(_ablated, problems, baseline, donors, model, decoding, recipe, running)
    run_shard(
        output,
        problems=problems,
        recipe=recipe,
        samples=decoding["samples"],
        kept=kept,
        make=make,
        given=baseline,
    )


def _ablated(
    problems: Sequence[Problem],
    baseline: Sequence[Row],
    donors: Sequence[tuple[Problem, pa.Table]],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    missing: Missing,
) -> Iterator[list[Row]]:
    from cotsieve.rollouts.reasoning import ablate, stored_trace

    loaded = _loaded(model, decoding, running)
    given = model["traces"] == "given"
    rows = {(row["problem_id"], row["sample"]): row for row in baseline}
    shape = loaded.architecture
    interventions = {
        name: from_definition(definition, layers=shape.layers, family=shape.family, thoughts=1)
        for name, definition in recipe.conditions.items()
        if definition and "operation" in definition
    }
    others = [
        stored_trace(loaded, problem, row, given)
        for problem, table in donors
        for row in table.to_pylist()
        if row["problem_id"] == problem.problem_id and row["sample"] == 0
    ]
    others = [trace for trace in others if not trace.error]
    for pairs, chosen in missing.items():
        for sample in sorted({sample for _, sample in pairs}):
            names = [condition for condition, at in pairs if at == sample]
            stored = [
                stored_trace(loaded, problem, rows[problem.problem_id, sample], given)
                for problem in chosen
            ]
            yield from ablate(loaded, recipe.limited_to(names), stored, interventions, others)


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
