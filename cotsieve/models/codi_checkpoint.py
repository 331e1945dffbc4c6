"""A CODI checkpoint as plain merged weights: no adapters, no peft, nothing silently missing.

CODI (arXiv 2502.21074, github.com/zhenyi4/codi) trains LoRA adapters and a small projection on a
frozen language model, and saves all three in one state dict. Its own loader tolerates missing and
unknown keys, so that a wrong prefix leaves random adapters in place; here every key must be
accounted for. Base weights come from the checkpoint alone, never from the base model's folder.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from cotsieve.ground.faults import Finding, bad
from cotsieve.models.architecture import ADDED_TOKENS, Architecture, read_architecture
from cotsieve.models.codi_layers import Layer, language_layers
from cotsieve.models.ledger import Ledger
from cotsieve.models.tokenizer import load_tokenizer, vocabulary_findings
from cotsieve.models.weight_files import read_state, weight_files

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
    file = weight_files(checkpoint)[0]
    ledger = Ledger(file, read_state(checkpoint))
    ledger.findings += vocabulary_findings(tokenizer, base, architecture.base_vocabulary)
    parts = [(layer, _Stored.of(layer, ledger)) for layer in language_layers(architecture)]
    projection = _projection(ledger, architecture.hidden)
    embedding = _embedding(ledger, architecture)
    rank = _rank(ledger, parts, lora_rank)
    ledger.close()

    scale = lora_alpha / rank if rank else 0.0
    weights = {name: _cast(name, tensor, dtype) for name, tensor in embedding.items()}
    if architecture.tied:
        weights["head.weight"] = weights["embed.weight"]
    for layer, stored in parts:
        for name, tensor in stored.merged(layer, scale):
            weights[name] = _cast(name, tensor, dtype)
    first = architecture.base_vocabulary
    return CodiCheckpoint(
        architecture=architecture,
        weights=weights,
        projection={
            name: None if tensor is None else _cast(name, tensor, dtype)
            for name, tensor in projection.items()
        },
        pad_id=first,
        bot_id=first + 1,
        eot_id=first + 2,
        lora_rank=rank,
    )


def _cast(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    cast = tensor.to(dtype)
    if dtype == torch.float16 and not cast.isfinite().all():  # only this format has a small range
        raise bad(name, "has values beyond float16", "Set dtype to bfloat16 or float32.")
    return cast


class _Stored(NamedTuple):
    """The tensors of one module as the file holds them."""

    weight: Tensor | None
    bias: Tensor | None
    lora_a: Tensor | None
    lora_b: Tensor | None

    @classmethod
    def of(cls, layer: Layer, ledger: Ledger) -> "_Stored":
        halves = [f"{layer.key}.lora_{half}.default.weight" for half in "AB"]
        adapted = layer.linear and any(half in ledger for half in halves)
        inner = f"{layer.key}.base_layer"
        wrapped = layer.linear and f"{inner}.weight" in ledger
        bare = f"{layer.key}.weight" in ledger and not wrapped
        stem = inner if wrapped or (adapted and not bare) else layer.key
        weight = ledger.take(f"{stem}.weight", layer.shape)
        bias = ledger.take(f"{stem}.bias", (layer.out,)) if layer.bias else None
        if not (adapted or wrapped):
            return cls(weight, bias, None, None)
        into = layer.shape[0] if layer.transposed else layer.shape[1]
        rank = next((r for r in map(ledger.size_of, halves, (0, 1)) if r), None)
        lora_a = ledger.take(halves[0], (rank, into))
        lora_b = ledger.take(halves[1], (layer.out, rank))
        return cls(weight, bias, lora_a, lora_b)

    def merged(self, layer: Layer, scale: float) -> Iterator[tuple[str, Tensor]]:
        """Canonical name and float32 tensor, with the adapter added and the rows split."""
        weight = self.weight.float()
        if self.lora_a is not None:
            change = self.lora_b.float() @ self.lora_a.float()
            weight = weight + scale * (change.T if layer.transposed else change)
        if layer.transposed:
            weight = weight.T
        for name, part in zip(layer.names, weight.chunk(len(layer.names)), strict=True):
            yield f"{name}.weight", part.clone(memory_format=torch.contiguous_format)
        if self.bias is not None:
            for name, part in zip(layer.names, self.bias.chunk(len(layer.names)), strict=True):
                yield f"{name}.bias", part.float().clone()


def _embedding(ledger: Ledger, architecture: Architecture) -> dict[str, Tensor]:
    """Embedding and output layer in float32; a tied model gets the embedding only."""
    key = "transformer.wte.weight" if architecture.family == "gpt2" else "model.embed_tokens.weight"
    head = "lm_head.weight"
    wanted = [key, head]
    if architecture.tied:
        wanted = [k for k in wanted if k in ledger] or [key]
    shape = (architecture.vocabulary, architecture.hidden)
    note = f", {architecture.base_vocabulary} + {ADDED_TOKENS} rows (pad, begin, end of thought)"
    found = {k: tensor for k in wanted if (tensor := ledger.take(k, shape, note)) is not None}
    if architecture.tied:
        tensor = found.get(head, found.get(key))  # the output layer's values win
        if len(found) == 2 and not found[key].equal(found[head]):
            note = "%s: output layer and embedding differ; the output layer's values serve as both"
            logging.getLogger("cotsieve").warning(note, ledger.file)
        return {} if tensor is None else {"embed.weight": tensor.to(torch.float32, copy=True)}
    names = {key: "embed.weight", head: "head.weight"}
    return {names[k]: tensor.to(torch.float32, copy=True) for k, tensor in found.items()}


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


def _rank(ledger: Ledger, parts: list[tuple[Layer, _Stored]], expected: int | None) -> int | None:
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
