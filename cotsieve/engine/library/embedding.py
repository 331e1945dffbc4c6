"""How sentences become vectors: by a model of their meaning, or by their words alone."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → vectors of length 1, (texts, dimensions)."""

_PIECE = re.compile(r"[0-9]+(?:\.[0-9]+)?|[^\W0-9]+|[^\w\s]")


def embedder(folder: Path | None, threads: int = 1) -> Embed:
    """By the sentence-transformers model in `folder`, or by words. Raises BadInput for others."""
    if folder is None:
        return embed_words
    from cotsieve.engine.library.sentence_embedding import SentenceEmbedder

    return SentenceEmbedder(folder, threads)


def embed_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Words, numbers and signs, alone and in pairs, hashed into a vector.

    A stand-in where no embedding model is at hand: it knows wordings, not meanings.
    """
    found = np.zeros((len(texts), DIMENSIONS), np.float32)
    for row, text in zip(found, texts, strict=True):
        words = _PIECE.findall(text.lower())
        for part in [*words, *(" ".join(pair) for pair in pairwise(words))]:
            number = crc32(part.encode())
            row[number % DIMENSIONS] += 1 if number & 1 << 31 else -1
    lengths = np.linalg.norm(found, axis=-1, keepdims=True)
    return (found / np.maximum(lengths, 1e-12)).astype(np.float32)
