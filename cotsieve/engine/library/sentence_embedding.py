"""Embeddings of sentences by a model of the sentence-transformers kind, run by transformers."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cotsieve.ground.faults import bad

BATCH_TOKENS = 16_384
"""Tokens, pads included, that are read together."""
USUAL_LENGTH = 256


class SentenceEmbedder:
    """Mean of the last hidden states over real tokens, brought to length 1.

    As sentence-transformers does it for all-MiniLM-L6-v2 (Reimers and Gurevych, arXiv 1908.10084).
    """

    def __init__(self, folder: str | Path, threads: int = 1):
        """`folder` holds config, tokenizer and safetensors weights; nothing is downloaded, and no
        code of the folder is run. Raises BadInput where it cannot be loaded, or embeds otherwise.
        """
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(threads)
        folder = Path(folder)
        _refuse_other_pooling(folder)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except Exception as error:  # the libraries raise bare exceptions on damaged files
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            mend = "Give a sentence-transformers folder with model.safetensors, or write words."
            raise bad(folder, f"the embedding model cannot be loaded ({reason})", mend) from error
        self._model.eval()
        self._longest = _longest(folder)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dimensions) float32; what is longer than the model was made for is cut."""
        encoded = self._tokenizer(
            list(texts), truncation=True, max_length=self._longest, add_special_tokens=True
        )["input_ids"]
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place]))
        found = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and len(encoded[order[end]]) * (end + 1 - start) < BATCH_TOKENS:
                end += 1
            some = order[start:end]
            found[some] = self._read([encoded[place] for place in some])
            start = end
        return found

    def _read(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        width = max(map(len, ids))
        tokens = torch.zeros(len(ids), width, dtype=torch.int64)
        mask = torch.zeros(len(ids), width, dtype=torch.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = torch.tensor(one)
            mask[row, : len(one)] = 1
        hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=-1).numpy()


def _longest(folder: Path) -> int:
    """Tokens the model reads of a text, as its folder says."""
    settings = folder / "sentence_bert_config.json"
    if settings.is_file():
        told = json.loads(settings.read_text(encoding="utf-8"))
        return int(told.get("max_seq_length") or USUAL_LENGTH)
    return USUAL_LENGTH


def _refuse_other_pooling(folder: Path) -> None:
    settings = folder / "1_Pooling" / "config.json"
    if settings.is_file():
        told = json.loads(settings.read_text(encoding="utf-8"))
        if not told.get("pooling_mode_mean_tokens", True):
            what = "its embeddings are not the mean over tokens"
            raise bad(settings, what, "Use a model with mean pooling, such as all-MiniLM-L6-v2.")
