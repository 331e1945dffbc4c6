"""Run a shard. In: problems, a model. Out: one row per problem × condition (schema ROLLOUTS)."""

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.latent_job import run_latent_shard
from cotsieve.study.making import Making

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        job = Making.of(snakemake)
        run_latent_shard(
            snakemake.output[0],
            problems=job.problems,
            reference=job.reference,
            recipe=job.recipe(
                snakemake.params.conditions["conditions"],
                snakemake.params.reference["reference problems"],
            ),
            running=job.running(snakemake.input.get("model"), snakemake.threads),
            kept=job.kept(snakemake.wildcards.sweep),
            ahead=job.ahead(snakemake.wildcards.sweep),
            **job.definitions(),
        )
