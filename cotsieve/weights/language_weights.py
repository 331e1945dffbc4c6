"""Weights of a language model from a checkpoint: adapters merged, names made canonical."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cotsieve.ground.faults import bad
from cotsieve.weights.architecture import Architecture
from cotsieve.weights.language_layers import Layer, ends
from cotsieve.weights.ledger import Ledger


def cast(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    converted = tensor.to(dtype)
    if (
        dtype == torch.float16 and not converted.isfinite().all()
    ):  # only this format has a small range
        raise bad(name, "has values beyond float16", "Set dtype to bfloat16 or float32.")
    return converted


class Stored(NamedTuple):
    """The tensors of one module as the file holds them."""

    weight: Tensor | None
    bias: Tensor | None
    lora_a: Tensor | None
    lora_b: Tensor | None

    @classmethod
    def of(cls, layer: Layer, ledger: Ledger) -> "Stored":
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


def embedding_weights(
    ledger: Ledger, architecture: Architecture, note: str = "", own_head: bool = False
) -> dict[str, Tensor]:
    """Embedding and output layer in float32; a tied model gets the embedding only.

    With `own_head` a tied model keeps an output layer that differs from its embedding, as the
    transformers library does; else the output layer's values serve as both.
    """
    key, head = ends(architecture)
    wanted = [key, head]
    if architecture.tied:
        wanted = [k for k in wanted if k in ledger] or [key]
    shape = (architecture.vocabulary, architecture.hidden)
    found = {k: tensor for k in wanted if (tensor := ledger.take(k, shape, note)) is not None}
    differ = len(found) == 2 and not found[key].equal(found[head])
    if architecture.tied and differ:
        both = "%s: output layer and embedding differ; %s"
        used = "each is used" if own_head else "the output layer's values serve as both"
        logging.getLogger("cotsieve").warning(both, ledger.file, used)
    if architecture.tied and not (differ and own_head):
        tensor = found.get(head, found.get(key))  # the output layer's values win
        return {} if tensor is None else {"embed.weight": tensor.to(torch.float32, copy=True)}
    names = {key: "embed.weight", head: "head.weight"}
    return {names[k]: tensor.to(torch.float32, copy=True) for k, tensor in found.items()}
