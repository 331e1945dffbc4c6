"""Ablate a shard. In: its traces, a model. Out: traces and ablated answers (schema ROLLOUTS)."""

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.reasoning_job import run_ablations
from cotsieve.study.making import Making

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        job = Making.of(snakemake)
        run_ablations(
            snakemake.output[0],
            problems=job.problems,
            traces=snakemake.input.traces,
            reference=job.reference,
            donors=snakemake.input.get("donors", []),
            recipe=job.recipe(job.told["conditions"], job.told["reference problems"]),
            running=job.running(snakemake.input.get("model"), snakemake.threads),
            kept=job.kept(snakemake.wildcards.sweep),
            **job.definitions(),
        )
