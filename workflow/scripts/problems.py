"""List the candidates. Out: one row per problem (schema PROBLEMS), and how exclusions matched."""

import itertools
import json

from cotsieve.ground.files import write_text
from cotsieve.ground.tables import writing
from cotsieve.problems.problem import PROBLEMS, problems_table
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of

AT_ONCE = 16_384
"""Rows of a row group."""

if __name__ == "__main__":
    with at_work(snakemake) as log:
        plan = plan_of(snakemake)
        selection, problems = plan.selection, plan.candidates()
        log.info("%d candidates", sum(len(pool.places) for pool in selection.pools))
        with writing(snakemake.output.problems, PROBLEMS, group_rows=AT_ONCE) as add:
            while some := list(itertools.islice(problems, AT_ONCE)):
                add(problems_table(some))
        matches = [match._asdict() for match in selection.matches]
        report = {"exclusions": matches, "repeated_questions": selection.repeated_questions}
        if plan.left_out():
            report["left_out"] = plan.left_out()
        write_text(snakemake.output.exclusions, json.dumps(report, indent=1) + "\n")
