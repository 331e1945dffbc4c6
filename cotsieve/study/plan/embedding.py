"""How the texts of a study's anchors become vectors."""

from collections.abc import Callable, Sequence
from typing import Any

from cotsieve.study.identity.ingredients import embedding_folder
from cotsieve.study.settings.anchors import WORDS
from cotsieve.study.settings.reading import read_study


def embedder_of(snakemake: Any) -> Callable[[Sequence[str]], Any]:
    """Texts → vectors of length 1, by the settings of the study a script runs for."""
    anchors = read_study(snakemake.config).anchors
    if anchors.embeddings == WORDS:
        from cotsieve.findings.anchors.likeness import embed_words

        return embed_words
    from cotsieve.engine.library.sentence_embedding import SentenceEmbedder

    folder = embedding_folder(anchors, snakemake.input.get("embeddings") or None)
    return SentenceEmbedder(folder, snakemake.threads)
