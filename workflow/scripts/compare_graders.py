"""Grade answers in every way that fits. In: merged rollouts. Out: where graders differ."""

from cotsieve.findings.merge import MERGED
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read, write
from cotsieve.report.facts.grader_check import DISAGREEMENTS, MERGED_COLUMNS, compare_graders
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        found = compare_graders(
            read(snakemake.input.merged, MERGED, MERGED_COLUMNS),
            processes=snakemake.threads,
            **named(snakemake.params)["graders"],
        )
        about = {"graders": found.graders, "compared": found.answers}
        write(found.rows, snakemake.output[0], DISAGREEMENTS, about)
