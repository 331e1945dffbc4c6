"""Grade a shard. In: rollouts. Out: one verdict per rollout (schema GRADES)."""

from cotsieve.findings.grades import GRADES, grade_rollouts
from cotsieve.ground.joblog import logging_to
from cotsieve.ground.tables import read, write
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.plan import Plan
from cotsieve.study.settings import Grading, read_study

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        plan, names = Plan(read_study(snakemake.config)), snakemake.wildcards
        given = dict(snakemake.params.grading["grading"])
        grading = Grading(**given)  # what is left out keeps its default
        answers = plan.planned_answers(
            names.source, names.shard, snakemake.params.references["answers"]
        )
        grades = grade_rollouts(
            read(snakemake.input.rollouts, ROLLOUTS),
            answers,
            grading.grader,
            grading.tolerance,
        )
        write(grades, snakemake.output[0], GRADES, {"grading": given})
