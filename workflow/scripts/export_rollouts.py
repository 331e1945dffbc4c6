"""Export rollouts. In: all of a model around sentences. Out: folders as published, a table."""

import itertools
import shutil

from cotsieve.findings.anchors.anchor_table import ANCHORS, SENTENCES
from cotsieve.findings.anchors.export import write_hub_table, write_trace
from cotsieve.findings.anchors.imported import TRACES
from cotsieve.findings.anchors.returned import own_trace, published_trace, with_rollouts
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work


def traces_of(told: dict) -> list:
    """What is told of each trace besides its rollouts."""
    given = snakemake.input
    if given.get("traces"):
        return [published_trace(row) for row in read(given.traces, TRACES).to_pylist()]
    rows = read(given.sentences, SENTENCES).to_pylist()
    problems = {row["problem_id"]: row for row in read(given.problems, PROBLEMS).to_pylist()}
    samples = {
        (row["problem_id"], row["sample"]): row
        for path in given.own
        for row in read(path, ROLLOUTS).to_pylist()
    }
    grouped = itertools.groupby(rows, lambda row: (row["problem_id"], row["sample"]))
    return [
        own_trace(problems[name[0]], samples[name], list(found), told["style"])
        for name, found in grouped
    ]


if __name__ == "__main__":
    with at_work(snakemake) as log:
        told, given = named(snakemake.params), snakemake.input
        shutil.rmtree(snakemake.output.tree, ignore_errors=True)
        outcomes = [read(path, OUTCOMES) for path in given.outcomes]
        texts = [read(path, ROLLOUTS) for path in given.rollouts]
        measured = read(given.anchors, ANCHORS)
        traces = with_rollouts(traces_of(told), outcomes, texts, measured, told)
        count = 0
        for trace in traces:
            write_trace(snakemake.output.tree, trace)
            count += 1
        write_hub_table(snakemake.output.tree, snakemake.output.table)
        log.info("%d traces", count)
