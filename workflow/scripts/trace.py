"""Trace a shard. In: problems, a model. Out: its reasoning and answers (schema ROLLOUTS)."""

import logging

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.finished import Finished


def trace(log: logging.Logger) -> None:
    """Make the traces; what that needs is imported only where no earlier job has made them."""
    from cotsieve.rollouts.reasoning_job import run_traces, write_untraced
    from cotsieve.rollouts.schema import BASELINE
    from cotsieve.study.making import Making

    job = Making.of(snakemake)
    recipe, samples = job.recipe({BASELINE: None}), job.definitions()["decoding"]["samples"]
    if job.round_is_unneeded(snakemake.input.enough):
        log.info("the share to be filled is met: nothing is traced")
        write_untraced(snakemake.output[0], job.problems, recipe, samples)
        return
    run_traces(
        snakemake.output[0],
        problems=job.problems,
        recipe=recipe,
        running=job.running(snakemake.input.get("model"), snakemake.threads),
        kept=job.kept("traces"),
        ahead=job.ahead("traces"),
        **job.definitions(),
    )


if __name__ == "__main__":
    with logging_to(snakemake.log[0]) as log:
        # Whether a later round is needed at all is decided when its turn comes.
        later_round = bool(snakemake.input.enough)
        if later_round or not Finished.of_job(snakemake, "traces").taken_to(snakemake.output[0]):
            trace(log)
