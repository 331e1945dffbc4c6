"""Pair sentences. In: rollouts around them. Out: what each does for later ones (PAIRS)."""

import pyarrow as pa

from cotsieve.engine.library.embedding import embedder
from cotsieve.findings.anchors.anchor_table import SENTENCES
from cotsieve.findings.anchors.pairs import PAIRS, rollouts_by_trace, trace_pairs
from cotsieve.findings.anchors.trace_rollouts import traces_in
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import parts, read, write
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.places import embedding_folder
from cotsieve.study.settings.reading import read_study

if __name__ == "__main__":
    with at_work(snakemake) as log:
        told = named(snakemake.params)["anchors"]
        texts = {
            name: rows["text"].to_pylist()
            for name, rows in traces_in(read(snakemake.input.sentences, SENTENCES))
        }
        anchors = read_study(snakemake.config).anchors
        folder = embedding_folder(anchors, snakemake.input.get("embeddings") or None)
        embed, found = embedder(folder, snakemake.threads), []
        columns = ["problem_id", "sample", "text", "finish_reason"]
        for path in snakemake.input.rollouts:
            written = rollouts_by_trace(parts(path, ROLLOUTS, columns), told["pairs"])
            for name, rollouts in written:
                rows = trace_pairs(name, texts[name], rollouts, embed, told["threshold"])
                found.append(pa.Table.from_pylist(rows, schema=PAIRS))
        write(pa.concat_tables([PAIRS.empty_table(), *found]), snakemake.output[0], PAIRS)
