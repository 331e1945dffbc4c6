"""Export a model. In: verdicts. Out: the published script's checkpoint file."""

from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.findings.original import export_checkpoint
from cotsieve.ground.tables import read
from cotsieve.study.identity.at_work import at_work

EPOCH = "1970-01-01T00:00:00"
"""The format wants a time; a constant keeps equal results equal."""

if __name__ == "__main__":
    with at_work(snakemake):
        rows = read(snakemake.input[0], NECESSITY).to_pylist()
        export_checkpoint(rows, snakemake.output[0], EPOCH)
