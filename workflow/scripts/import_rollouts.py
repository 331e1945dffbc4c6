"""Import a shard. In: a published checkpoint file. Out: its predictions (schema ROLLOUTS)."""

from cotsieve.findings.original import rollouts_from_checkpoint
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import write
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of

if __name__ == "__main__":
    with at_work(snakemake):
        plan, names = plan_of(snakemake), snakemake.wildcards
        told = named(snakemake.params)
        rows = rollouts_from_checkpoint(
            snakemake.input.results,
            plan.planned(names.source, names.shard, told["problems"]["content"]),
            BASELINE,
            told["ablation"],
        )
        origin = {"results": told["results"], "ablation": told["ablation"]}
        write(rows, snakemake.output[0], ROLLOUTS, origin)
