"""The job that runs a shard through a model with latent thoughts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import Running, run_shard, with_torch
from cotsieve.rollouts.kept import KeptRows, Row
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE
from cotsieve.rollouts.stretches import Ahead, Missing


def run_latent_shard(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    reference: Sequence[Problem],
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
    ahead: Iterable[Ahead] = (),
) -> None:
    """Write the rollouts of `problems`; `model` and `decoding` are the full definitions."""

    @cache
    def loaded():
        from cotsieve.rollouts.latent_model import load_latent_model

        return with_torch(
            running,
            lambda: load_latent_model(
                model,
                running.files,
                decoding,
                device=running.device,
                batch_rows=running.batch_rows,
            ),
        )

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.generate import generate

        for pairs, some in missing.items():
            names = [condition for condition, _ in pairs]
            needed = recipe.limited_to(names)
            yield from generate(loaded(), needed, some, reference, baseline=BASELINE in names)

    run_shard(
        output,
        problems=problems,
        recipe=recipe,
        samples=1,
        kept=kept,
        make=make,
        held_rows=running.held_rows,
        ahead=ahead,
    )
