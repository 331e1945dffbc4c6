"""The job that makes rollouts around the sentences of traces, or takes finished ones over."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.around.sentence_units import Sentence
from cotsieve.rollouts.job import Job
from cotsieve.rollouts.kept import Row
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.rollouts.stretches import Missing


def run_resampling(
    job: Job, sentences: Sequence[Sentence], rollouts: int, finished: str | Path | None = None
) -> None:
    """Write so many rollouts of every sentence under the one condition of the job's recipe.

    Those in the table `finished` that did not fail are taken as they are.
    """
    by_unit = {sentence.unit: sentence for sentence in sentences}

    def make(missing: Missing) -> Iterator[list[Row]]:
        from cotsieve.engine.loading import load_reasoning_model
        from cotsieve.rollouts.around.resampling import resample

        wanted = {by_unit[unit]: pairs for pairs, units in missing.items() for unit in units}
        yield from resample(job.loaded(load_reasoning_model), job.recipe, wanted)

    def given(some: Sequence[Problem]) -> pa.Table:
        names = pa.array([unit.problem_id for unit in some], pa.string())

        def usable(rows: pa.Table) -> pa.Array:
            sound = pc.not_equal(rows["finish_reason"], "failed")
            return pc.and_(pc.is_in(rows["problem_id"], names), sound)

        return tables.read(finished, ROLLOUTS, where=usable)

    wanted = replace(job, problems=list(by_unit))
    wanted.run(make, rollouts, given=given if finished else None)
