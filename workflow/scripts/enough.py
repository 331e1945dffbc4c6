"""Look back on earlier rounds. In: their rollouts and grades. Out: whether the share is met."""

import json

from cotsieve.findings.dataset.fill import wanted
from cotsieve.findings.dataset.traces import solved_problems
from cotsieve.findings.grades import GRADES
from cotsieve.ground.files import write_text
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of
from cotsieve.study.plan.filling import chains

if __name__ == "__main__":
    with at_work(snakemake) as log:
        told = named(snakemake.params)
        target, how = told["fill"], told["traces"]
        everything, without = chains(plan_of(snakemake))
        needed = wanted(everything, without, target)
        found: set[str] = set()
        for rollouts, grades in zip(snakemake.input.rollouts, snakemake.input.grades, strict=True):
            pair = read(rollouts, ROLLOUTS), read(grades, GRADES)
            found |= solved_problems(*pair, how["close"], how["least_tokens"]) & without
        log.info("%d problems have a verified trace, %d are to have one", len(found), needed)
        # The decision alone, so that other counts behind the same one change nothing.
        write_text(snakemake.output[0], json.dumps({"enough": len(found) >= needed}) + "\n")
