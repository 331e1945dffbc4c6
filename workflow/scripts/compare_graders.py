"""Grade answers in every way that fits. In: rollouts. Out: where graders differ."""

from cotsieve.ground.joblog import logging_to
from cotsieve.ground.tables import read, write
from cotsieve.problems.problem import PROBLEMS
from cotsieve.report.grader_check import DISAGREEMENTS, compare_graders
from cotsieve.rollouts.schema import ROLLOUTS

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        problems = read(snakemake.input.problems, PROBLEMS)
        names = problems["problem_id"].to_pylist()
        references = dict(zip(names, problems["answer"].to_pylist(), strict=True))
        found = compare_graders(
            (read(path, ROLLOUTS) for path in snakemake.input.rollouts),
            references,
            processes=snakemake.threads,
            **snakemake.params.graders["graders"],
        )
        about = {"graders": found.graders, "compared": found.answers}
        write(found.rows, snakemake.output[0], DISAGREEMENTS, about)
