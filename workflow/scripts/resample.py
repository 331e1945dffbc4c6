"""Roll out around sentences. In: sentences, traces, a model. Out: raw rollouts (ROLLOUTS)."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground.tables import read
from cotsieve.rollouts.around.job import run_resampling
from cotsieve.rollouts.around.sentence_units import sentences_of
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.making import Making

if __name__ == "__main__":
    with at_work(snakemake):
        making, given = Making.of(snakemake), snakemake.input
        problems = {problem.problem_id: problem for problem in making.problems}
        known = pa.array(list(problems), pa.string())
        rows = read(given.sentences, where=lambda some: pc.is_in(some["problem_id"], known))
        ids = {
            (row["problem_id"], row["sample"]): row["token_ids"]
            for row in read(
                given.traces,
                ROLLOUTS,
                ["problem_id", "sample", "token_ids"],
                lambda some: pc.is_in(some["problem_id"], rows["problem_id"].combine_chunks()),
            ).to_pylist()
        }
        kind = making.told["kind"]
        reasoning_given = making.study.models[making.names.model].traces == "given"
        sentences = [
            sentence
            for name, trace in itertools.groupby(
                rows.to_pylist(), lambda row: (row["problem_id"], row["sample"])
            )
            for sentence in sentences_of(
                problems[name[0]],
                list(trace),
                making.told["prefix"],
                problems[name[0]].reasoning if reasoning_given else ids[name],
            )
        ]
        recipe = making.recipe({kind: {"anchors": kind, "prefix": making.told["prefix"]}})
        job = making.job(snakemake, f"anchors-{kind}", recipe)
        run_resampling(job, sentences, making.told["rollouts"])
