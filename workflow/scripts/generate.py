"""Run a shard. In: problems, a model. Out: one row per problem × condition (schema ROLLOUTS)."""

from cotsieve.rollouts.finished import Finished
from cotsieve.study.identity.at_work import at_work


def generate(sweep: str) -> None:
    """Make the rollouts; what that needs is imported only where no earlier job has made them."""
    from cotsieve.rollouts.latent_job import run_latent_shard
    from cotsieve.study.jobs.making import Making

    making = Making.of(snakemake)
    recipe = making.recipe(making.told["conditions"])
    run_latent_shard(making.job(snakemake, sweep, recipe, ahead=True), making.reference)


if __name__ == "__main__":
    with at_work(snakemake):
        sweep = snakemake.wildcards.sweep
        if not Finished.of_job(snakemake, sweep).taken_to(snakemake.output[0]):
            generate(sweep)
