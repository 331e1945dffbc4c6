"""Trace a shard. In: problems, a model. Out: its reasoning and answers (schema ROLLOUTS)."""

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.reasoning_job import run_traces
from cotsieve.rollouts.schema import BASELINE
from cotsieve.study.making import Making

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        job = Making.of(snakemake)
        run_traces(
            snakemake.output[0],
            problems=job.problems,
            recipe=job.recipe({BASELINE: None}),
            running=job.running(snakemake.input.get("model"), snakemake.threads),
            kept=job.kept("traces"),
            ahead=job.ahead("traces"),
            **job.definitions(),
        )
