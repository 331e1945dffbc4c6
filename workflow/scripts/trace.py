"""Trace a shard. In: problems, a model. Out: its reasoning and answers (schema ROLLOUTS)."""

import sys

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.reasoning_job import run_traces, write_untraced
from cotsieve.rollouts.schema import BASELINE
from cotsieve.study.making import Making

if __name__ == "__main__":
    with logging_to(snakemake.log[0]) as log:
        job = Making.of(snakemake)
        recipe, samples = job.recipe({BASELINE: None}), job.definitions()["decoding"]["samples"]
        if job.round_is_unneeded(snakemake.input.enough):
            log.info("the share to be filled is met: nothing is traced")
            write_untraced(snakemake.output[0], job.problems, recipe, samples)
            sys.exit()
        run_traces(
            snakemake.output[0],
            problems=job.problems,
            recipe=recipe,
            running=job.running(snakemake.input.get("model"), snakemake.threads),
            kept=job.kept("traces"),
            ahead=job.ahead("traces"),
            **job.definitions(),
        )
