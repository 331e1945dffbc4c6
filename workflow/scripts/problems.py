"""List the candidates. Out: one row per problem (schema PROBLEMS), and how exclusions matched."""

import json

from cotsieve.ground.files import write_text
from cotsieve.ground.tables import write
from cotsieve.problems.problem import PROBLEMS, problems_table
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.plan.of_job import plan_of

if __name__ == "__main__":
    with at_work(snakemake) as log:
        plan = plan_of(snakemake)
        selection, problems = plan.selection, plan.candidates()
        log.info("%d candidates", len(problems))
        write(problems_table(problems), snakemake.output.problems, PROBLEMS)
        matches = [match._asdict() for match in selection.matches]
        report = {"exclusions": matches, "repeated_questions": selection.repeated_questions}
        write_text(snakemake.output.exclusions, json.dumps(report, indent=1) + "\n")
