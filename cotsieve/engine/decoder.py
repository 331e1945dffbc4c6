"""A lean decoder (LLaMA, Mistral, Qwen2, Qwen3, GPT-2) for many continuations of shared prompts.

Shapes, used throughout: B problems, C continuations of each, H hidden, N key/value heads,
G query heads per key/value head, D head size, P prompt tokens (padded on the right), S tokens after
the prompt. A continuation never copies the prompt's keys and values: all C of a problem read them.
"""

import copy
from collections.abc import Callable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.attention import Pass, causal
from cotsieve.engine.continuations import Continuations, Prompts, length_mask
from cotsieve.engine.products import product, proven_piece
from cotsieve.weights.architecture import Architecture

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
        self.final_norm = _norm(weights, "final_norm", architecture, device, dtype)
        self.blocks = [
            _Block(weights, f"layers.{index}", architecture, device, dtype)
            for index in range(architecture.layers)
        ]
        self._frequencies = frequencies.to(device, torch.float32)
        self._scaling = attention_scaling
        self._rotations: tuple[Tensor, Tensor] | None = None
        self._head_piece: int | None = None

    def in_double(self) -> Self:
        """The same weights, with float64 for all that is computed from them; nothing is copied."""
        double = copy.copy(self)
        double.dtype = torch.float64
        return double

    def prove_products(self, keep: int) -> None:
        """See to it that no product depends on the rows beside a row; `keep` as in `logits`.

        Blocks have products of equal shapes; those of the first stand for all.
        """
        for name in ("qkv", "out", "widen", "narrow"):
            first = getattr(self.blocks[0], name)
            piece = proven_piece(name, first.weight, first.bias)
            for block in self.blocks:
                getattr(block, name).piece = piece
        self._head_piece = proven_piece("head", self.head[:keep], None)

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings, (…) int64 → (…, H)."""
        return F.embedding(tokens, self.embedding).to(self.dtype)

    def logits(self, hidden: Tensor, keep: int) -> Tensor:
        """Scores of the first `keep` entries of the vocabulary, (R, H) → (R, keep), in float32 or
        float64."""
        head = self.head[:keep].to(hidden.dtype)
        return at_least_float32(product(hidden, head, None, self._head_piece))

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
            # Copied, since every step reads them, and a view would hold the queries in memory.
            keys.append(key.transpose(1, 2).contiguous())
            values.append(value.transpose(1, 2).contiguous())
            if block is self.blocks[-1] and edit is None:
                break  # no token reads the last block's output of a prompt
            residual = block.finish(residual, causal(query, key, value))
            if edit:
                residual = edit(index, RESID_POST, residual)
        return Prompts(keys, values, lengths, length_mask(lengths, tokens.shape[1]))

    def run(self, inputs: Tensor, at: Pass, edit: Edit | None = None) -> Tensor | None:
        """Take tokens (B, T, H) on from the slots of their rows → final hidden states (B, 1, H) of
        each row's last, or as many last ones as are asked for; None where the pass asks for keys
        and values alone."""
        residual = self._placed(inputs, at.positions)
        rotation = self._rotation(at.positions, at.longest + at.longest_home)
        for index, block in enumerate(self.blocks):
            if edit:
                residual = edit(index, RESID_PRE, residual)
            attended = at.attend(index, *block.project(residual, rotation))
            if attended is None:
                return None
            if block is self.blocks[-1] and edit is None:  # nothing else is read from it
                residual, attended = at.last_of(residual), at.last_of(attended)
            residual = block.finish(residual, attended)
            if edit:
                residual = edit(index, RESID_POST, residual)
        return self.final_norm(residual if edit is None else at.last_of(residual))

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
            rows.keys[index][:, :, :, rows.length] = key.transpose(1, 2)
            rows.values[index][:, :, :, rows.length] = value.transpose(1, 2)
            residual = block.finish(residual, _attend(query, rows, index))
            if edit:
                residual = edit(index, RESID_POST, residual)
        rows.length += 1
        return self.final_norm(residual)

    def rotations(self, longest: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines of so many positions at least; once there are more, the tensors
        are others."""
        if self._rotations is None or len(self._rotations[0]) < longest:
            places = torch.arange(2 * max(longest, 512), device=self.device, dtype=torch.float32)
            angles = places[:, None] * self._frequencies
            cosines, sines = angles.cos() * self._scaling, angles.sin() * self._scaling
            self._rotations = (torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1))
        return self._rotations

    def _placed(self, inputs: Tensor, positions: Tensor) -> Tensor:
        if self.positions is None:
            return inputs
        return inputs + F.embedding(positions, self.positions).to(inputs.dtype)

    def _rotation(self, positions: Tensor, longest: int) -> tuple[Tensor, Tensor] | None:
        """Cosines and signed sines at `positions` < longest, to broadcast over heads; or None."""
        if self.positions is not None:
            return None
        cosines, sines = self.rotations(longest)
        return cosines[positions][..., None, :], sines[positions][..., None, :]


class _Block:
    """One transformer block; q, k, v and gate, up are fused into one product each."""

    def __init__(self, weights, name, architecture: Architecture, device, dtype):
        self.shape = architecture
        self.attention_norm = _norm(weights, f"{name}.attention_norm", architecture, device, dtype)
        self.mlp_norm = _norm(weights, f"{name}.mlp_norm", architecture, device, dtype)
        self.qkv = _Linear(weights, [f"{name}.{part}" for part in "qkv"], device, dtype)
        self.head_norm = _head_norm(weights, name, architecture, device, dtype)
        self.out = _Linear(weights, [f"{name}.o"], device, dtype)
        gated = f"{name}.gate.weight" in weights
        widen = [f"{name}.gate", f"{name}.up"] if gated else [f"{name}.up"]
        self.widen = _Linear(weights, widen, device, dtype)
        self.narrow = _Linear(weights, [f"{name}.down"], device, dtype)
        self.gated = gated
        self.activation = ACTIVATIONS[architecture.activation]

    def project(self, residual: Tensor, rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, T, N * G, D), keys and values (B, T, N, D); T = P or C."""
        shape = self.shape
        problems, tokens, _ = residual.shape
        mixed = self.qkv(self.attention_norm(residual)).view(problems, tokens, -1, shape.head_dim)
        turning, value = mixed.split((shape.heads + shape.kv_heads, shape.kv_heads), dim=2)
        if self.head_norm is not None:
            turning = F.rms_norm(turning, turning.shape[-1:], None, shape.norm_eps)
            turning = turning * self.head_norm.to(turning.dtype)
        if rotation is not None:
            turning = _rotate(turning, rotation)
        query, key = turning.split((shape.heads, shape.kv_heads), dim=2)
        return query, key, value

    def finish(self, residual: Tensor, attended: Tensor) -> Tensor:
        """Add attention, (B, T, N * G * D), and the feed-forward part to the residual stream."""
        residual = residual + self.out(attended)
        wide = self.widen(self.mlp_norm(residual))
        if self.gated:
            gate, up = wide.chunk(2, dim=-1)
            return residual + self.narrow(self.activation(gate) * up)
        return residual + self.narrow(self.activation(wide))


class _Linear:
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


def _norm(weights, name: str, architecture: Architecture, device, dtype):
    """RMSNorm, or LayerNorm for GPT-2; torch takes the statistics of narrow formats in float32."""
    weight = weights[f"{name}.weight"].to(device, dtype)
    bias = _moved(weights.get(f"{name}.bias"), device, dtype)
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


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of (B, T, heads, D), halves paired as in LLaMA; the sines have signs."""
    cosines, sines = rotation
    given = at_least_float32(heads)
    cosines, sines = like(given, cosines, sines)
    first, second = given.chunk(2, dim=-1)
    turned = torch.cat((second, first), dim=-1)
    return (given * cosines).addcmul_(turned, sines).to(heads.dtype)


def _attend(query: Tensor, rows: Continuations, layer: int) -> Tensor:
    """Attention of one new token per continuation to its prompt and to its own tokens.

    All C * G queries of a head read a problem's prompt in one product.
    """
    keys, values = rows.prompts.keys[layer], rows.prompts.values[layer]
    _, kv, reach, size = keys.shape
    length = rows.length + 1
    own = (query * size**-0.5).unflatten(2, (kv, -1)).transpose(1, 2).contiguous()
    shared = own.flatten(2, 3)
    to_prompt = (shared @ keys.transpose(-1, -2)).view(*own.shape[:-1], reach)
    to_own = own @ rows.keys[layer][:, :, :, :length].transpose(-1, -2)
    seen = at_least_float32(to_prompt) + rows.mask
    weights = torch.cat((seen, at_least_float32(to_own)), -1).softmax(-1).to(query.dtype)
    from_prompt = weights[..., :reach].flatten(2, 3) @ values
    from_own = weights[..., reach:] @ rows.values[layer][:, :, :, :length]
    attended = from_own + from_prompt.view(own.shape)
    return attended.transpose(1, 2).flatten(2)


def at_least_float32(values: Tensor) -> Tensor:
    """In float32, or in float64 where that is what they are in."""
    return values if values.dtype == torch.float64 else values.float()


def like(inputs: Tensor, *weights: Tensor | None) -> list[Tensor | None]:
    """Weights in the format of what they meet; the same tensors where it is theirs."""
    return [None if weight is None else weight.to(inputs.dtype) for weight in weights]


def _moved(tensor: Tensor | None, device, dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(device, dtype)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
