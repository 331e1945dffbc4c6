"""Ablate a shard. In: its traces, a model. Out: traces and ablated answers (schema ROLLOUTS)."""

from cotsieve.rollouts.written_job import run_ablations
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.making import Making

if __name__ == "__main__":
    with at_work(snakemake):
        making, given = Making.of(snakemake), snakemake.input
        recipe = making.recipe(making.told["conditions"])
        job = making.job(snakemake, snakemake.wildcards.sweep, recipe)
        run_ablations(job, given.traces, making.reference, given.get("donors", []))
