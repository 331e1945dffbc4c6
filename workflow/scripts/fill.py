"""Fill chains. In: verified traces, sources. Out: every problem with its own chain or a trace."""

import json

from cotsieve.findings.dataset.fill import filled
from cotsieve.findings.dataset.traces import TRACES
from cotsieve.ground.files import write_text
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of
from cotsieve.study.plan.filling import chains

if __name__ == "__main__":
    with at_work(snakemake) as log:
        target = named(snakemake.params)["fill"]
        everything, lacking = chains(plan_of(snakemake))
        traces = {}
        for row in read(snakemake.input.traces, TRACES).to_pylist():
            traces.setdefault(row["problem_id"], row)
        rows, told = filled(everything, lacking, traces, target)
        log.info("%s", told)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_text(snakemake.output.rows, "".join(lines))
        write_text(snakemake.output.report, json.dumps(told, indent=1) + "\n")
