"""The job that runs a shard through a model with latent thoughts."""

from collections.abc import Iterator, Sequence
from functools import cache

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import Job
from cotsieve.rollouts.kept import Row
from cotsieve.rollouts.schema import BASELINE
from cotsieve.rollouts.stretches import Missing


def run_latent_shard(job: Job, reference: Sequence[Problem]) -> None:
    """Write the rollouts of a shard; `reference` are the problems that give means and donors."""

    @cache
    def loaded():
        from cotsieve.engine.latent.model import load_latent_model

        return job.loaded(load_latent_model)

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.rollouts.latent_rows import generate

        for pairs, some in missing.items():
            names = [condition for condition, _ in pairs]
            needed = job.recipe.limited_to(names)
            yield from generate(loaded(), needed, some, reference, baseline=BASELINE in names)

    job.run(make, samples=1)
