"""A lean decoder-only transformer (LLaMA, Qwen2, GPT-2) for many continuations of shared prompts.

Shapes, used throughout: B problems, C continuations of each, H hidden, N key/value heads,
G query heads per key/value head, D head size, P prompt tokens (padded on the right), S tokens after
the prompt. A continuation never copies the prompt's keys and values: all C of a problem read them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.models.architecture import Architecture
from cotsieve.models.continuations import Continuations, Prompts, length_mask

RESID_PRE = "resid_pre"
RESID_POST = "resid_post"

Edit = Callable[[int, str, Tensor], Tensor]
"""(block, side, residual stream (B, C or P, H)) → residual stream; called around every block."""


class Decoder:
    """Weights in one dtype on one device, and the two ways forward: `read` prompts, `step` on."""

    def __init__(
        self,
        architecture: Architecture,
        weights: dict[str, Tensor],
        frequencies: Tensor,
        attention_scaling: float,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ):
        """`weights` have the canonical names of the checkpoint loader, linear ones (out, in)."""
        self.architecture = architecture
        self.device, self.dtype = device, dtype
        self.embedding = weights["embed.weight"].to(device, dtype)
        tied = weights["head.weight"] is weights["embed.weight"]
        self.head = self.embedding if tied else weights["head.weight"].to(device, dtype)
        self.positions = _moved(weights.get("positions.weight"), device, dtype)
        self.final_norm = _norm(weights, "final_norm", architecture, device)
        self.blocks = [
            _Block(weights, f"layers.{index}", architecture, device, dtype)
            for index in range(architecture.layers)
        ]
        self._frequencies = frequencies.to(device, torch.float32)
        self._scaling = attention_scaling
        self._rotations: tuple[Tensor, Tensor] | None = None

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings, (…) int64 → (…, H)."""
        return F.embedding(tokens, self.embedding)

    def logits(self, hidden: Tensor, keep: int) -> Tensor:
        """Scores of the first `keep` vocabulary entries in float32, (R, H) → (R, keep)."""
        return F.linear(hidden, self.head[:keep]).float()

    def read(self, tokens: Tensor, lengths: Tensor, edit: Edit | None = None) -> Prompts:
        """Keys and values of prompts padded on the right, (B, P) int64 with lengths (B,).

        `edit` gets residual streams (B, P, H).
        """
        positions = torch.arange(tokens.shape[1], device=self.device)
        residual = self._placed(self.embed(tokens), positions)
        rotation = self._rotation(positions, tokens.shape[1])
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            if edit:
                residual = edit(index, RESID_PRE, residual)
            query, key, value = block.project(residual, rotation)
            keys.append(key)
            values.append(value)
            if block is self.blocks[-1]:  # nothing reads the last block's output of a prompt
                break
            residual = block.finish(residual, _causal(query, key, value))
            if edit:
                residual = edit(index, RESID_POST, residual)
        return Prompts(keys, values, lengths, length_mask(lengths, tokens.shape[1]))

    def step(self, inputs: Tensor, rows: Continuations, edit: Edit | None = None) -> Tensor:
        """Feed one vector to every continuation, (B, C, H) → final hidden state (B, C, H)."""
        rows.room_for(1)
        positions = rows.positions
        residual = self._placed(inputs, positions)
        rotation = self._rotation(positions, rows.prompts.keys[0].shape[2] + rows.length + 1)
        for index, block in enumerate(self.blocks):
            if edit:
                residual = edit(index, RESID_PRE, residual)
            query, key, value = block.project(residual, rotation)
            rows.keys[index][:, :, :, rows.length] = key
            rows.values[index][:, :, :, rows.length] = value
            residual = block.finish(residual, _attend(query, rows, index))
            if edit:
                residual = edit(index, RESID_POST, residual)
        rows.length += 1
        return self.final_norm(residual)

    def _placed(self, inputs: Tensor, positions: Tensor) -> Tensor:
        return inputs if self.positions is None else inputs + F.embedding(positions, self.positions)

    def _rotation(self, positions: Tensor, longest: int) -> tuple[Tensor, Tensor] | None:
        """Cosines and sines at `positions` < longest, to broadcast over heads; None without."""
        if self.positions is not None:
            return None
        if self._rotations is None or len(self._rotations[0]) < longest:
            places = torch.arange(2 * max(longest, 512), device=self.device, dtype=torch.float32)
            angles = places[:, None] * self._frequencies
            angles = torch.cat((angles, angles), dim=-1)
            self._rotations = (angles.cos() * self._scaling, angles.sin() * self._scaling)
        cosines, sines = self._rotations
        return cosines[positions][..., None, :], sines[positions][..., None, :]


class _Block:
    """One transformer block; q, k, v and gate, up are fused into one product each."""

    def __init__(self, weights, name, architecture: Architecture, device, dtype):
        self.shape = architecture
        self.attention_norm = _norm(weights, f"{name}.attention_norm", architecture, device)
        self.mlp_norm = _norm(weights, f"{name}.mlp_norm", architecture, device)
        self.qkv = _Linear(weights, [f"{name}.{part}" for part in "qkv"], device, dtype)
        self.out = _Linear(weights, [f"{name}.o"], device, dtype)
        gated = f"{name}.gate.weight" in weights
        widen = [f"{name}.gate", f"{name}.up"] if gated else [f"{name}.up"]
        self.widen = _Linear(weights, widen, device, dtype)
        self.narrow = _Linear(weights, [f"{name}.down"], device, dtype)
        self.gated = gated
        self.activation = ACTIVATIONS[architecture.activation]

    def project(self, residual: Tensor, rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, N, T * G, D) with G fastest, keys and values (B, N, T, D); T = P or C."""
        shape = self.shape
        problems, tokens, _ = residual.shape
        kv, size = shape.kv_heads, shape.head_dim
        mixed = self.qkv(self.attention_norm(residual)).view(problems, tokens, -1, size)
        query, key, value = mixed.split((shape.heads, kv, kv), dim=2)
        if rotation is not None:
            query, key = _rotate(query, rotation), _rotate(key, rotation)
        group = shape.heads // kv
        query = query.reshape(problems, tokens, kv, group, size).permute(0, 2, 1, 3, 4)
        query = query.reshape(problems, kv, tokens * group, size)
        return query, key.transpose(1, 2), value.transpose(1, 2)

    def finish(self, residual: Tensor, attended: Tensor) -> Tensor:
        """Add attention, (B, N, T * G, D), and the feed-forward part to the residual stream."""
        problems, tokens, _ = residual.shape
        kv, size = self.shape.kv_heads, self.shape.head_dim
        attended = attended.reshape(problems, kv, tokens, -1, size).permute(0, 2, 1, 3, 4)
        residual = residual + self.out(attended.reshape(problems, tokens, -1))
        wide = self.widen(self.mlp_norm(residual))
        if self.gated:
            gate, up = wide.chunk(2, dim=-1)
            return residual + self.narrow(self.activation(gate) * up)
        return residual + self.narrow(self.activation(wide))


class _Linear:
    """One or several linear maps of the same input, computed as one product."""

    def __init__(self, weights: dict[str, Tensor], names: list[str], device, dtype):
        parts = [weights[f"{name}.weight"] for name in names]
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
        return F.linear(inputs, self.weight, self.bias)


def _norm(weights, name: str, architecture: Architecture, device) -> Callable[[Tensor], Tensor]:
    """RMSNorm, or LayerNorm where the architecture has a bias; statistics in float32."""
    weight = weights[f"{name}.weight"].to(device, torch.float32)
    bias = _moved(weights.get(f"{name}.bias"), device, torch.float32)
    size, eps = weight.shape, architecture.norm_eps
    if architecture.family == "gpt2":
        return lambda x: F.layer_norm(x.float(), size, weight, bias, eps).to(x.dtype)
    return lambda x: F.rms_norm(x.float(), size, weight, eps).to(x.dtype)


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of (B, T, heads, D), halves paired as in LLaMA."""
    cosines, sines = rotation
    first, second = heads.float().chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return (heads.float() * cosines + turned * sines).to(heads.dtype)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention inside prompts; pads come last, so no real token sees one."""
    problems, kv, tokens, size = key.shape
    grouped = query.view(problems, kv, tokens, -1, size).transpose(2, 3).flatten(1, 2)
    out = F.scaled_dot_product_attention(grouped, key, value, is_causal=True, enable_gqa=True)
    return out.view(problems, kv, -1, tokens, size).transpose(2, 3).flatten(2, 3)


def _attend(query: Tensor, rows: Continuations, layer: int) -> Tensor:
    """Attention of one new token per continuation to its prompt and to its own tokens."""
    problems, kv, queries, size = query.shape
    length = rows.length + 1
    prompts = rows.prompts
    query = query * size**-0.5
    own = query.view(problems, kv, rows.count, -1, size)
    to_prompt = query @ prompts.keys[layer].transpose(-1, -2)
    to_own = own @ rows.keys[layer][:, :, :, :length].transpose(-1, -2)
    reach = to_prompt.shape[-1]
    group = queries // rows.count  # said, since a prompt may be empty
    seen = to_prompt.view(problems, kv, rows.count, group, reach).float() + rows.mask
    own_mask = rows.own_mask(length)
    to_own = to_own.float() if own_mask is None else to_own.float() + own_mask
    weights = torch.cat((seen, to_own), -1).softmax(-1).to(query.dtype)
    weights = weights.view(problems, kv, queries, -1)
    from_own = weights[..., reach:].view(problems, kv, rows.count, -1, length)
    out = (from_own @ rows.values[layer][:, :, :, :length]).view(problems, kv, queries, size)
    return out + weights[..., :reach] @ prompts.values[layer]


def _moved(tensor: Tensor | None, device, dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(device, dtype)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
