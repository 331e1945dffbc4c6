"""A causal language model from its Hugging Face folder, as plain weights."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cotsieve.weights.architecture import Architecture, read_architecture
from cotsieve.weights.files import read_state
from cotsieve.weights.language_layers import language_layers, whole_name
from cotsieve.weights.language_weights import Stored, cast, embedding_weights
from cotsieve.weights.layout import weight_files
from cotsieve.weights.ledger import Ledger

MEND = "Fetch the model's folder again; its config.json must belong to its weights."


@dataclass(frozen=True)
class CausalCheckpoint:
    """A language model ready to run; weights named and laid out as those of a CODI checkpoint."""

    architecture: Architecture
    weights: dict[str, Tensor]


def load_causal(folder: Path, dtype: torch.dtype = torch.float32) -> CausalCheckpoint:
    """Load a LLaMA, Qwen2 or GPT-2 model; `folder` holds config, tokenizer and weights.

    Raises one BadInput that lists every missing, unexpected, misshapen or non-finite tensor.
    """
    read = read_architecture(folder)
    architecture = replace(read, vocabulary=read.base_vocabulary)
    found = read_state(folder)
    state = {whole_name(name, found, read.family): tensor for name, tensor in found.items()}
    ledger = Ledger(weight_files(folder)[0], state, prefixes=("",), mend=MEND)
    parts = [(layer, Stored.of(layer, ledger)) for layer in language_layers(architecture)]
    embedding = embedding_weights(ledger, architecture, own_head=True)
    ledger.close()
    weights = {name: cast(name, tensor, dtype) for name, tensor in embedding.items()}
    weights.setdefault("head.weight", weights["embed.weight"])
    for layer, stored in parts:
        for name, tensor in stored.merged(layer, scale=0.0):
            weights[name] = cast(name, tensor, dtype)
    return CausalCheckpoint(architecture, weights)
