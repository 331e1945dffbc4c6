"""Merge a model. In: rollouts, grades and problems. Out: all rows in one table (schema MERGED)."""

from cotsieve.findings.merge import write_merged
from cotsieve.ground.hub import fetched_commits
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        told = named(snakemake.params)
        rollouts, grades = list(snakemake.input.rollouts), list(snakemake.input.grades)
        sweeps = [path.split("/")[-3] for path in rollouts]
        origin = dict(told["origin"])
        if snakemake.input.model:  # from a hub, where a revision may have moved since
            origin["fetched commits"] = fetched_commits(snakemake.input.model)
        write_merged(
            snakemake.output[0],
            list(zip(sweeps, rollouts, grades, strict=True)),
            read(snakemake.input.problems, PROBLEMS),
            dict(told["sweeps"]),
            origin,
        )
