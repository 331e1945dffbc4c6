"""The job that makes the rollouts around the sentences of a shard's traces."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cotsieve.rollouts.job import Running, run_shard, with_torch
from cotsieve.rollouts.kept import KeptRows, Row
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.resampling import Sentence
from cotsieve.rollouts.stretches import Missing


def run_resampling(
    output: str | Path,
    *,
    sentences: Sequence[Sentence],
    samples: int,
    model: Mapping[str, Any],
    decoding: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
) -> None:
    """Write `samples` rollouts of every sentence under the one condition of `recipe`."""
    by_unit = {sentence.unit: sentence for sentence in sentences}

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.reasoning_model import load_reasoning_model
        from cotsieve.rollouts.resampling import resample

        def load():
            return load_reasoning_model(
                model,
                running.files,
                decoding,
                device=running.device,
                batch_rows=running.batch_rows,
            )

        wanted = {by_unit[unit]: pairs for pairs, units in missing.items() for unit in units}
        yield from resample(with_torch(running, load), recipe, wanted)

    run_shard(
        output,
        problems=[sentence.unit for sentence in sentences],
        recipe=recipe,
        samples=samples,
        kept=kept,
        make=make,
        held_rows=running.held_rows,
    )
