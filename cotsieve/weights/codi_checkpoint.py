"""A CODI checkpoint as plain merged weights: no adapters, no peft, nothing silently missing.

CODI (arXiv 2502.21074, github.com/zhenyi4/codi) trains LoRA adapters and a small projection on a
frozen language model, and saves all three in one state dict. Its own loader tolerates missing and
unknown keys, so that a wrong prefix leaves random adapters in place; here every key must be
accounted for. Base weights come from the checkpoint, or, where peft saved the adapters by
themselves, from the base model's folder.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cotsieve.ground.faults import Finding
from cotsieve.ground.model_folder import is_peft
from cotsieve.weights.architecture import ADDED_TOKENS, Architecture, read_architecture
from cotsieve.weights.codi_names import told_auxiliary, without_auxiliary
from cotsieve.weights.files import read_state
from cotsieve.weights.language_layers import Layer, language_layers
from cotsieve.weights.language_weights import Stored, cast, embedding_weights
from cotsieve.weights.layout import weight_files
from cotsieve.weights.ledger import Ledger
from cotsieve.weights.peft_folder import MEND as PEFT_MEND
from cotsieve.weights.peft_folder import check_settings, peft_folder, whole_state
from cotsieve.weights.tokenizer import load_tokenizer, vocabulary_findings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class CodiCheckpoint:
    """A CODI model ready to run: all weights on the CPU, linear weights as (out, in)."""

    architecture: Architecture
    weights: dict[str, Tensor]
    """`embed.weight`, `head.weight` (the same tensor when tied), `positions.weight` (GPT-2),
    `final_norm.*`, and per layer i `layers.{i}.` + `attention_norm`, `mlp_norm`, `q`, `k`, `v`,
    `o`, `gate` (not GPT-2), `up`, `down`, each `.weight` and where the model has one `.bias`."""
    projection: dict[str, Tensor | None]
    """`down.*`, exact GELU, `up.*`, then LayerNorm `norm.*` with epsilon 1e-5 (None: no norm)."""
    pad_id: int
    bot_id: int
    """Begin of thought."""
    eot_id: int
    """End of thought."""
    lora_rank: int | None
    """Rank of the adapters merged; None when the file had none."""


def load_codi(
    checkpoint: Path,
    base: Path,
    lora_rank: int | None,
    lora_alpha: float,
    dtype: torch.dtype = torch.float32,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
) -> CodiCheckpoint:
    """Load the checkpoint (folder or file), merge its adapters, check everything.

    Adapters are merged in float32 as W + (lora_alpha / rank) B A; the rank comes from the shapes
    and must equal `lora_rank` where that is given. `base` gives architecture and tokenizer (pass
    `tokenizer` if it is loaded already). Weights are cast to `dtype` after merging.

    When the base ties its output layer to the embedding, one of the two may be absent; if both are
    there and differ, both become the output layer's values, as in CODI's loader, where the output
    layer is copied last into the shared tensor.

    Raises one BadInput that lists every missing, unexpected, misshapen or non-finite tensor.
    """
    architecture = read_architecture(base)
    tokenizer = load_tokenizer(base) if tokenizer is None else tokenizer
    ledger = _ledger(checkpoint, base, architecture)
    ledger.findings += vocabulary_findings(tokenizer, base, architecture.base_vocabulary)
    parts = [(layer, Stored.of(layer, ledger)) for layer in language_layers(architecture)]
    projection = _projection(ledger, architecture.hidden)
    note = f", {architecture.base_vocabulary} + {ADDED_TOKENS} rows (pad, begin, end of thought)"
    embedding = embedding_weights(ledger, architecture, note)
    rank = _rank(ledger, parts, lora_rank)
    ledger.close()
    if is_peft(checkpoint):
        check_settings(checkpoint, rank, lora_alpha)

    scale = lora_alpha / rank if rank else 0.0
    weights = {name: cast(name, tensor, dtype) for name, tensor in embedding.items()}
    if architecture.tied:
        weights["head.weight"] = weights["embed.weight"]
    for layer, stored in parts:
        for name, tensor in stored.merged(layer, scale):
            weights[name] = cast(name, tensor, dtype)
    first = architecture.base_vocabulary
    return CodiCheckpoint(
        architecture=architecture,
        weights=weights,
        projection={
            name: None if tensor is None else cast(name, tensor, dtype)
            for name, tensor in projection.items()
        },
        pad_id=first,
        bot_id=first + 1,
        eot_id=first + 2,
        lora_rank=rank,
    )


def _ledger(checkpoint: Path, base: Path, architecture: Architecture) -> Ledger:
    """The tensors of a checkpoint in whatever form it is; what only its training used is told."""
    if is_peft(checkpoint):
        files = peft_folder(checkpoint, base)
        state = whole_state(files, architecture, read_state)
        ledger = Ledger(files.adapters, without_auxiliary(state), mend=PEFT_MEND)
    else:
        state = read_state(checkpoint)
        ledger = Ledger(weight_files(checkpoint)[0], without_auxiliary(state))
    if told_auxiliary(state):
        logging.getLogger("cotsieve").info("%s: %s", ledger.file, told_auxiliary(state))
    return ledger


def _projection(ledger: Ledger, hidden: int) -> dict[str, Tensor | None]:
    """The projection from final hidden state to next input embedding."""
    width = ledger.size_of("prj.1.weight", 0) or ledger.size_of("prj.3.weight", 1)
    shapes: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "down.weight": ("prj.1.weight", (width, hidden)),
        "down.bias": ("prj.1.bias", (width,)),
        "up.weight": ("prj.3.weight", (hidden, width)),
        "up.bias": ("prj.3.bias", (hidden,)),
    }
    norm = {
        "norm.weight": ("prj.ln.weight", (hidden,)),
        "norm.bias": ("prj.ln.bias", (hidden,)),
    }
    if any(key in ledger for key, _ in norm.values()):
        shapes |= norm
    taken = {name: ledger.take(key, shape) for name, (key, shape) in shapes.items()}
    absent = dict.fromkeys(norm)
    return absent | {
        name: None if tensor is None else tensor.to(torch.float32, copy=True)
        for name, tensor in taken.items()
    }


def _rank(ledger: Ledger, parts: list[tuple[Layer, Stored]], expected: int | None) -> int | None:
    """The one rank of all adapters; findings when they differ or are not `expected`."""
    ranks: dict[int, list[str]] = {}
    for layer, stored in parts:
        if stored.lora_a is not None:
            ranks.setdefault(stored.lora_a.shape[0], []).append(layer.key)
    if len(ranks) > 1:
        common = max(ranks, key=lambda rank: len(ranks[rank]))
        for rank, keys in sorted(ranks.items()):
            if rank != common:
                what = f"its adapter has rank {rank}, {len(ranks[common])} others have {common}"
                ledger.fault(keys[0], what)
    found = next(iter(ranks), None)
    sure = found is not None or not ledger.findings  # else the adapters are there, but damaged
    if expected is not None and len(ranks) < 2 and found != expected and sure:
        what = f"has rank {found}" if found else "has no adapters: it is merged already"
        what = f"{what}, the study says lora_rank {expected}"
        mend = f"Set lora_rank to {found if found else 'null'}, or name the checkpoint meant."
        ledger.findings.append(Finding(str(ledger.file), what, mend))
    return found
