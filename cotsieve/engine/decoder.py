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

from cotsieve.engine.attention import Pass
from cotsieve.engine.block import Block, Rotation, at_least_float32, moved, norm_of
from cotsieve.engine.chunks import causal
from cotsieve.engine.continuations import Continuations, Prompts, length_mask
from cotsieve.engine.products import product, proven_piece, rounded_up
from cotsieve.weights.architecture import Architecture

HEAD_ROWS = 64
"""On a GPU the head has a multiple of so many rows: for others its libraries take old kernels."""
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
        embedding, head = weights["embed.weight"], weights["head.weight"]
        filled = _filled(embedding, device, dtype)
        self.embedding = filled[: len(embedding)]
        self._wide_head = filled if head is embedding else _filled(head, device, dtype)
        """The head, on a GPU with zeros behind it."""
        self.head = self._wide_head[: len(head)]
        self.positions = moved(weights.get("positions.weight"), device, dtype)
        self.final_norm = norm_of(weights, "final_norm", architecture, device, dtype)
        self.blocks = [
            Block(weights, f"layers.{index}", architecture, device, dtype)
            for index in range(architecture.layers)
        ]
        self._frequencies = frequencies.to(device, torch.float32)
        self._scaling = attention_scaling
        self._rotations: Rotation | None = None
        self._head_piece: int | None = None
        self._turned: Callable[..., Tensor] | None = None

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
        self._head_piece = proven_piece("head", self._head(keep), None)

    def fuse(self, chains) -> None:
        """Let single kernels do what takes several operations otherwise; see gpu/launching.py."""
        if self.positions is None:
            self._turned = chains.turned
        for block in self.blocks:
            if block.gated and self.architecture.activation == "silu":
                block.activate = chains.gated

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings, (…) int64 → (…, H)."""
        return F.embedding(tokens, self.embedding).to(self.dtype)

    def logits(self, hidden: Tensor, keep: int, *, narrow: bool = False) -> Tensor:
        """Scores of the first `keep` entries of the vocabulary, (R, H) → (R, keep), in float32 or
        float64; `narrow`: in the format of the model."""
        head = self._head(keep).to(hidden.dtype)
        scores = product(hidden, head, None, self._head_piece)[..., :keep]
        return scores if narrow else at_least_float32(scores)

    def _head(self, keep: int) -> Tensor:
        """The head's first `keep` rows, and on a GPU a few more."""
        return self._wide_head[: rounded_up(keep, HEAD_ROWS, self.device)]

    def read(self, tokens: Tensor, lengths: Tensor, edit: Edit | None = None) -> Prompts:
        """Keys and values of prompts padded on the right, (B, P) int64 with lengths (B,).

        `edit` gets residual streams (B, P, H).
        """
        positions = torch.arange(tokens.shape[1], device=self.device)
        residual = self.placed(self.embed(tokens), positions)
        rotation = self.rotation(positions, tokens.shape[1])
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
        positions, longest = at.positions, at.longest + at.longest_home
        residual = self.placed(inputs, positions)
        rotation = None if self._turned else self.rotation(positions, longest)
        for index, block in enumerate(self.blocks):
            if edit:
                residual = edit(index, RESID_PRE, residual)
            if self._turned:
                about = (block.mixed(residual), block.shape, block.head_norm)
                query = self._turned(at, index, *about, self.rotations(longest))
                attended = at.attend_kept(index, query)
            else:
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
        residual = self.placed(inputs, positions)
        rotation = self.rotation(positions, rows.prompts.keys[0].shape[2] + rows.length + 1)
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

    def rotations(self, longest: int) -> Rotation:
        """Cosines and signed sines of so many positions at least; once there are more, the tensors
        are others."""
        if self._rotations is None or len(self._rotations[0]) < longest:
            places = torch.arange(2 * max(longest, 512), device=self.device, dtype=torch.float32)
            angles = places[:, None] * self._frequencies
            cosines, sines = angles.cos() * self._scaling, angles.sin() * self._scaling
            self._rotations = (torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1))
        return self._rotations

    def placed(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Inputs (…, H) with what the model adds for their positions (…), if it does."""
        if self.positions is None:
            return inputs
        return inputs + F.embedding(positions, self.positions).to(inputs.dtype)

    def rotation(self, positions: Tensor, longest: int) -> Rotation | None:
        """Cosines and signed sines at `positions` < longest, to broadcast over heads; or None."""
        if self.positions is not None:
            return None
        cosines, sines = self.rotations(longest)
        return cosines[positions][..., None, :], sines[positions][..., None, :]


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


def _filled(rows: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights, filled up with zeros where the device wants more rows."""
    more = rounded_up(len(rows), HEAD_ROWS, device) - len(rows)
    rows = rows.to(device, dtype)
    return F.pad(rows, (0, 0, 0, more)) if more else rows
