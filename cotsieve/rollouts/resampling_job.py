"""The job that makes the rollouts around the sentences of a shard's traces."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cotsieve.rollouts.job import Job
from cotsieve.rollouts.kept import Row
from cotsieve.rollouts.sentence_units import Sentence
from cotsieve.rollouts.stretches import Missing


def run_resampling(job: Job, sentences: Sequence[Sentence], rollouts: int) -> None:
    """Write so many rollouts of every sentence under the one condition of the job's recipe."""
    by_unit = {sentence.unit: sentence for sentence in sentences}

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.engine.loading import load_reasoning_model
        from cotsieve.rollouts.resampling import resample

        wanted = {by_unit[unit]: pairs for pairs, units in missing.items() for unit in units}
        yield from resample(job.loaded(load_reasoning_model), job.recipe, wanted)

    replace(job, problems=list(by_unit)).run(make, rollouts)
