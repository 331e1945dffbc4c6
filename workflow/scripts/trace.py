"""Trace a shard. In: problems, a model. Out: its reasoning and answers (schema ROLLOUTS)."""

from cotsieve.rollouts.finished import Finished, is_unneeded
from cotsieve.study.identity.at_work import at_work


def trace() -> None:
    """Make the traces; what that needs is imported only where no earlier job has made them."""
    from cotsieve.rollouts.schema import BASELINE
    from cotsieve.rollouts.written_job import run_traces
    from cotsieve.study.jobs.making import Making

    making = Making.of(snakemake)
    run_traces(making.job(snakemake, "traces", making.recipe({BASELINE: None}), ahead=True))


def leave_untraced() -> None:
    """Write that nothing is traced; what earlier jobs have traced stays kept."""
    from cotsieve.rollouts.schema import BASELINE
    from cotsieve.rollouts.written_job import write_untraced
    from cotsieve.study.jobs.making import Making

    making = Making.of(snakemake)
    recipe, samples = making.recipe({BASELINE: None}), making.decoding["samples"]
    write_untraced(snakemake.output[0], making.problems, recipe, samples)


if __name__ == "__main__":
    with at_work(snakemake) as log:
        if is_unneeded(snakemake.input.get("enough")):
            log.info("the share to be filled is met: nothing is traced")
            leave_untraced()
        elif not Finished.of_job(snakemake, "traces").taken_to(snakemake.output[0]):
            trace()
