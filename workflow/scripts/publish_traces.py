"""Publish traces. In: merged rollouts, problems. Out: a dataset folder of the verified ones."""

from pathlib import Path

from cotsieve.findings.dataset.trace_dataset import write_traces
from cotsieve.findings.dataset.traces import verified_traces
from cotsieve.findings.merge import MERGED
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import provenance, read
from cotsieve.ground.version import VERSION
from cotsieve.problems.problem import PROBLEMS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.completed import completed
from cotsieve.study.settings.outcome import Grading, PublishTraces
from cotsieve.study.settings.part import whole

if __name__ == "__main__":
    with at_work(snakemake) as log:
        given, told = snakemake.input, named(snakemake.params)
        origin = provenance(given.merged)
        rule = whole(PublishTraces, told["choose"] or {})
        model, grader = snakemake.wildcards.model, whole(Grading, origin["grading"])["grader"]
        traces, unsolved = verified_traces(
            read(given.merged, MERGED),
            read(given.problems, PROBLEMS),
            sweep=told["sieve"]["sweep"],
            close=told["traces"]["close"],
            model=model,
            grader=grader,
            **rule,
        )
        log.info("%d traces, %d problems without one", len(traces), len(unsolved))
        about = {"study": snakemake.wildcards.study, "model": model, "grader": grader, **rule}
        about |= told["about"]
        folder = Path(snakemake.output.card).parent
        made = {"cotsieve": VERSION} | completed(told["origin"] | origin)
        chosen = {"publish": rule}
        write_traces(folder, traces, unsolved, about, origin | chosen, made | chosen)
