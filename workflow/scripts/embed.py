"""Compare sentences with what replaced them. In: outcomes. Out: their likeness (LIKENESS)."""

import pyarrow as pa

from cotsieve.engine.library.embedding import embedder
from cotsieve.findings.anchors.anchor_table import SENTENCES
from cotsieve.findings.anchors.likeness import LIKENESS, likeness_rows
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.tables import read, write
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.places import embedding_folder
from cotsieve.study.settings.reading import read_study

if __name__ == "__main__":
    with at_work(snakemake) as log:
        columns = ["problem_id", "sample", "sentence", "text"]
        sentences = read(snakemake.input.sentences, SENTENCES, columns).to_pylist()
        texts = {tuple(row[name] for name in columns[:3]): row["text"] for row in sentences}
        outcomes = pa.concat_tables([read(path, OUTCOMES) for path in snakemake.input.outcomes])
        anchors = read_study(snakemake.config).anchors
        folder = embedding_folder(anchors, snakemake.input.get("embeddings") or None)
        rows = likeness_rows(outcomes, texts, embedder(folder, snakemake.threads))
        log.info("%d replacements compared", len(rows))
        write(rows, snakemake.output[0], LIKENESS)
