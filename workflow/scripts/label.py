"""Label sentences. In: sentences of chosen traces. Out: tags and dependencies (LABELS)."""

from itertools import groupby

from cotsieve.findings.anchors.anchor_table import LABELS, SENTENCES
from cotsieve.findings.labels.tagger import label_rows
from cotsieve.ground.tables import read, write
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake) as log:
        sentences = read(snakemake.input.sentences, SENTENCES).to_pylist()
        traces = groupby(sentences, lambda row: (row["problem_id"], row["sample"]))
        rows = [row for _, trace in traces for row in label_rows(list(trace))]
        log.info("%d sentences", len(rows))
        write(rows, snakemake.output[0], LABELS)
