"""One transformer block of the lean decoder: its weights, and all it computes beside attention.

Shapes: B rows, T tokens of each, H hidden, N key heads, G query heads per key head, D head size.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.products import product
from cotsieve.weights.architecture import Architecture

Rotation = tuple[Tensor, Tensor]
"""Cosines and signed sines, to broadcast over heads, (…, 1, D)."""


class Block:
    """One transformer block; q, k, v and gate, up are fused into one product each."""

    def __init__(self, weights, name, architecture: Architecture, device, dtype):
        self.shape = architecture
        self.attention_norm = norm_of(
            weights, f"{name}.attention_norm", architecture, device, dtype
        )
        self.mlp_norm = norm_of(weights, f"{name}.mlp_norm", architecture, device, dtype)
        self.qkv = Linear(weights, [f"{name}.{part}" for part in "qkv"], device, dtype)
        self.head_norm = _head_norm(weights, name, architecture, device, dtype)
        self.out = Linear(weights, [f"{name}.o"], device, dtype)
        gated = f"{name}.gate.weight" in weights
        widen = [f"{name}.gate", f"{name}.up"] if gated else [f"{name}.up"]
        self.widen = Linear(weights, widen, device, dtype)
        self.narrow = Linear(weights, [f"{name}.down"], device, dtype)
        self.gated = gated
        self.activation = ACTIVATIONS[architecture.activation]
        self.activate = self._activate

    def mixed(self, residual: Tensor) -> Tensor:
        """Queries, keys and values side by side, (B, T, (N * G + 2 * N) * D)."""
        return self.qkv(self.attention_norm(residual))

    def project(self, residual: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, T, N * G, D), keys and values (B, T, N, D)."""
        return parted(self.mixed(residual), self.shape, self.head_norm, rotation)

    def finish(self, residual: Tensor, attended: Tensor) -> Tensor:
        """Add attention, (B, T, N * G * D), and the feed-forward part to the residual stream."""
        residual = residual + self.out(attended)
        wide = self.widen(self.mlp_norm(residual))
        return residual + self.narrow(self.activate(wide))

    def _activate(self, wide: Tensor) -> Tensor:
        """What the last product reads."""
        if not self.gated:
            return self.activation(wide)
        gate, up = wide.chunk(2, dim=-1)
        return self.activation(gate) * up


class Linear:
    """One or several linear maps of the same input, computed as one product."""

    def __init__(self, weights: dict[str, Tensor], names: list[str], device, dtype):
        parts = [weights[f"{name}.weight"] for name in names]
        self.piece: int | None = None
        """Rows that are multiplied together; None: all."""
        self.weight = torch.cat(parts).to(device, dtype)
        biases = [weights.get(f"{name}.bias") for name in names]
        self.bias = None
        if any(bias is not None for bias in biases):
            filled = [
                torch.zeros(len(part)) if bias is None else bias
                for part, bias in zip(parts, biases, strict=True)
            ]
            self.bias = torch.cat(filled).to(device, dtype)

    def __call__(self, inputs: Tensor) -> Tensor:
        return product(inputs, *like(inputs, self.weight, self.bias), self.piece)


def norm_of(weights, name: str, architecture: Architecture, device, dtype):
    """RMSNorm, or LayerNorm for GPT-2; torch takes the statistics of narrow formats in float32."""
    weight = weights[f"{name}.weight"].to(device, dtype)
    bias = moved(weights.get(f"{name}.bias"), device, dtype)
    size, eps = weight.shape, architecture.norm_eps
    if architecture.family == "gpt2":
        return lambda x: F.layer_norm(x, size, *like(x, weight, bias), eps)
    return lambda x: F.rms_norm(x, size, *like(x, weight), eps)


def _head_norm(weights, name: str, architecture: Architecture, device, dtype) -> Tensor | None:
    """Weights of Qwen3's norms of single heads, queries before keys, (heads, D); else None."""
    if f"{name}.q_norm.weight" not in weights:
        return None
    parts = zip(("q_norm", "k_norm"), (architecture.heads, architecture.kv_heads), strict=True)
    rows = [weights[f"{name}.{part}.weight"].expand(count, -1) for part, count in parts]
    return torch.cat(rows).to(device, dtype)


def parted(
    mixed: Tensor, shape: Architecture, head_norm: Tensor | None, rotation: Rotation | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (B, T, N * G, D), keys and values (B, T, N, D) of what a block mixes."""
    mixed = mixed.unflatten(-1, (-1, shape.head_dim))
    turning, value = mixed.split((shape.heads + shape.kv_heads, shape.kv_heads), dim=2)
    if head_norm is not None:
        turning = F.rms_norm(turning, turning.shape[-1:], None, shape.norm_eps)
        turning = turning * head_norm.to(turning.dtype)
    if rotation is not None:
        turning = _rotate(turning, rotation)
    query, key = turning.split((shape.heads, shape.kv_heads), dim=2)
    return query, key, value


def _rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Rotary embedding of (B, T, heads, D), halves paired as in LLaMA; the sines have signs."""
    cosines, sines = rotation
    given = at_least_float32(heads)
    cosines, sines = like(given, cosines, sines)
    first, second = given.chunk(2, dim=-1)
    turned = torch.cat((second, first), dim=-1)
    return (given * cosines).addcmul_(turned, sines).to(heads.dtype)


def at_least_float32(values: Tensor) -> Tensor:
    """In float32, or in float64 where that is what they are in."""
    return values if values.dtype == torch.float64 else values.float()


def like(inputs: Tensor, *weights: Tensor | None) -> list[Tensor | None]:
    """Weights in the format of what they meet; the same tensors where it is theirs."""
    return [None if weight is None else weight.to(inputs.dtype) for weight in weights]


def moved(tensor: Tensor | None, device, dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(device, dtype)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
