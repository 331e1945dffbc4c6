"""Run a shard. In: problems, a model. Out: one row per problem × condition (schema ROLLOUTS)."""

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.finished import Finished


def generate(sweep: str) -> None:
    """Make the rollouts; what that needs is imported only where no earlier job has made them."""
    from cotsieve.rollouts.latent_job import run_latent_shard
    from cotsieve.study.making import Making

    job = Making.of(snakemake)
    run_latent_shard(
        snakemake.output[0],
        problems=job.problems,
        reference=job.reference,
        recipe=job.recipe(job.told["conditions"], job.told["reference problems"]),
        running=job.running(snakemake.input.get("model"), snakemake.threads),
        kept=job.kept(sweep),
        ahead=job.ahead(sweep),
        **job.definitions(),
    )


if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        sweep = snakemake.wildcards.sweep
        if not Finished.of_job(snakemake, sweep).taken_to(snakemake.output[0]):
            generate(sweep)
