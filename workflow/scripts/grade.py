"""Grade a shard. In: rollouts. Out: one verdict per rollout (schema GRADES)."""

from cotsieve.findings.grades import GRADES, grade_rollouts
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read, write
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of
from cotsieve.study.settings.outcome import Grading
from cotsieve.study.settings.part import whole

if __name__ == "__main__":
    with at_work(snakemake):
        plan, names = plan_of(snakemake), snakemake.wildcards
        told = named(snakemake.params)
        given = dict(told["grading"])
        grading = whole(Grading, given)
        answers = plan.planned_answers(names.source, names.shard, told["answers"])
        grades = grade_rollouts(
            read(snakemake.input.rollouts, ROLLOUTS),
            answers,
            grading["grader"],
            grading["tolerance"],
            processes=snakemake.threads,
        )
        libraries = {"grader libraries": told["grader libraries"]}
        write(grades, snakemake.output[0], GRADES, {"grading": given} | libraries)
