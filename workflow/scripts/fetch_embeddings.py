"""Fetch the model that embeds sentences. Out: where its files lie."""

import json

from cotsieve.ground.files import write_text
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.settings.reading import read_study
from cotsieve.weights.hub import resolve

if __name__ == "__main__":
    with at_work(snakemake):
        anchors = read_study(snakemake.config).anchors
        folder = resolve(anchors.embeddings, anchors.embeddings_revision, "embeddings").resolve()
        write_text(snakemake.output[0], json.dumps({"embeddings": str(folder)}, indent=1) + "\n")
