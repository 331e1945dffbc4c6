"""Judge a model. In: merged rollouts, problems. Out: one row per problem (schema NECESSITY)."""

from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import MERGED_COLUMNS, NECESSITY, necessity
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import provenance, read, write
from cotsieve.problems.problem import PROBLEMS
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        merged, sieve = snakemake.input.merged, named(snakemake.params)["sieve"]
        rollouts = read(merged, MERGED, MERGED_COLUMNS)
        rows = necessity(rollouts, read(snakemake.input.problems, PROBLEMS), **sieve)
        write(rows, snakemake.output[0], NECESSITY, provenance(merged) | {"sieve": sieve})
