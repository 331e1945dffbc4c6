"""Training-time network of the embedded latent-CoT model.

The layout is LLaMA with a low-rank adapter on every linear layer and CODI's latent projection.
Parameter names follow the CODI checkpoint format, so the state dictionary is the checkpoint.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LANGUAGE_MODEL_PREFIX = "codi.base_model.model."
INITIAL_GAIN = 0.05  # same scale for embeddings and latents, so that a latent looks like a token


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the network. `vocabulary` does not count the pad, bot and eot rows."""

    vocabulary: int
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 384
    projection: int = 256
    adapter_rank: int = 8
    adapter_alpha: int = 32
    norm_epsilon: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def bot(self) -> int:
        """Id of the begin-of-thought row."""
        return self.vocabulary + 1

    @property
    def eot(self) -> int:
        """Id of the end-of-thought row."""
        return self.vocabulary + 2

    @property
    def middle_block(self) -> int:
        """Index of the block whose output the default ablation replaces."""
        return self.layers // 2


class AdapterLinear(nn.Module):
    """Linear layer without bias plus a low-rank adapter, multiplied out at every call."""

    def __init__(self, inputs: int, outputs: int, shape: ModelShape) -> None:
        super().__init__()
        rank = shape.adapter_rank
        self.base_layer = nn.Linear(inputs, outputs, bias=False)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(inputs, rank, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(rank, outputs, bias=False)})
        self.scale = shape.adapter_alpha / rank
        self.adapted = False

    def forward(self, values: Tensor) -> Tensor:
        weight = self.base_layer.weight
        if self.adapted:
            # The matrices are tiny, so merging costs less than a second path for every token.
            weight = weight + self.scale * (
                self.lora_B["default"].weight @ self.lora_A["default"].weight
            )
        return F.linear(values, weight)


class RMSNorm(nn.Module):
    """Root-mean-square norm with a gain."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, values: Tensor) -> Tensor:
        return F.rms_norm(values.float(), (values.shape[-1],), self.weight, self.epsilon)


def rotate(values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Apply rotate-half position encoding to (batch, heads, tokens, width)."""
    half = values.shape[-1] // 2
    turned = torch.cat((-values[..., half:], values[..., :half]), dim=-1)
    return values * cosine + turned * sine


class Attention(nn.Module):
    """Causal self-attention that extends a key-value cache."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.heads = shape.heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.add_module(name, AdapterLinear(shape.hidden, shape.hidden, shape))

    def forward(
        self, values: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor, past: tuple | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        batch, tokens, hidden = values.shape

        def split(flat: Tensor) -> Tensor:
            return flat.view(batch, tokens, self.heads, -1).transpose(1, 2)

        query = rotate(split(self.q_proj(values)), *rope)
        key = rotate(split(self.k_proj(values)), *rope)
        value = split(self.v_proj(values))
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        mixed = torch.softmax(scores + mask, dim=-1) @ value
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, hidden)), (key, value)


class FeedForward(nn.Module):
    """SwiGLU feed-forward network."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = AdapterLinear(shape.hidden, shape.feed_forward, shape)
        self.up_proj = AdapterLinear(shape.hidden, shape.feed_forward, shape)
        self.down_proj = AdapterLinear(shape.feed_forward, shape.hidden, shape)

    def forward(self, values: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(values)) * self.up_proj(values))


class Block(nn.Module):
    """One transformer block."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)

    def forward(
        self, values: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor, past: tuple | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        attended, cache = self.self_attn(self.input_layernorm(values), rope, mask, past)
        values = values + attended
        return values + self.mlp(self.post_attention_layernorm(values)), cache


@dataclass
class Context:
    """Key-value cache of every block, with the key mask and the next position of every row."""

    keys_allowed: Tensor
    next_position: Tensor
    caches: list[tuple[Tensor, Tensor]] = field(default_factory=list)


@dataclass
class Pass:
    """Result of one forward pass: block outputs and the state after the final norm."""

    blocks: list[Tensor]
    final: Tensor


class TinyCodi(nn.Module):
    """LLaMA network with latent projection."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary + 3, shape.hidden)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.prj = nn.Sequential(
            OrderedDict(
                {
                    "1": nn.Linear(shape.hidden, shape.projection),
                    "2": nn.GELU(),
                    "3": nn.Linear(shape.projection, shape.hidden),
                    "ln": nn.LayerNorm(shape.hidden),
                }
            )
        )
        self._initialise()

    def _initialise(self) -> None:
        depth_scale = 1 / math.sqrt(2 * self.shape.layers)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                deviation = 1 / math.sqrt(module.in_features)
                if "o_proj.base" in name or "down_proj.base" in name:
                    deviation *= depth_scale
                nn.init.normal_(module.weight, std=0.0 if "lora_B" in name else deviation)
        nn.init.normal_(self.embed_tokens.weight, std=INITIAL_GAIN)
        nn.init.constant_(self.prj.ln.weight, INITIAL_GAIN)

    def set_adapted(self, adapted: bool) -> None:
        """Switch the low-rank adapters on or off."""
        for module in self.modules():
            if isinstance(module, AdapterLinear):
                module.adapted = adapted

    def logits(self, final: Tensor) -> Tensor:
        """Apply the tied output layer."""
        return F.linear(final, self.embed_tokens.weight)

    def rope(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of shape (batch, 1, tokens, width)."""
        width = self.shape.hidden // self.shape.heads
        powers = torch.arange(0, width, 2, dtype=torch.float32) / width
        angles = positions[:, None, :, None].float() * self.shape.rope_theta**-powers
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def read(self, ids: Tensor, lengths: Tensor) -> tuple[Pass, Context]:
        """Read right-padded rows of the given lengths."""
        batch, tokens = ids.shape
        places = torch.arange(tokens).expand(batch, tokens)
        context = Context(torch.zeros(batch, 0, dtype=torch.bool), torch.zeros_like(lengths))
        result = self.extend(context, self.embed_tokens(ids), places < lengths[:, None])
        context.next_position = lengths.clone()
        return result, context

    def extend(
        self,
        context: Context,
        embeddings: Tensor,
        allowed: Tensor | None = None,
        replace: tuple[int, Tensor, Tensor] | None = None,
    ) -> Pass:
        """Feed embeddings after the context and append them to it.

        `replace` is (block, rows, vectors): the output of that block is overwritten in the rows
        (batch, tokens) marked true.
        """
        batch, tokens, _ = embeddings.shape
        if allowed is None:
            allowed = torch.ones(batch, tokens, dtype=torch.bool)
        before = context.keys_allowed
        causal = torch.ones(tokens, tokens, dtype=torch.bool).tril()
        visible = torch.cat(
            (before[:, None, :].expand(-1, tokens, -1), causal & allowed[:, None, :]), 2
        )
        mask = torch.zeros(visible.shape).masked_fill_(~visible, -1e9)[:, None]
        rope = self.rope(context.next_position[:, None] + torch.arange(tokens))
        values, outputs, caches = embeddings, [], []
        for index, block in enumerate(self.layers):
            past = context.caches[index] if context.caches else None
            values, cache = block(values, rope, mask, past)
            if replace is not None and replace[0] == index:
                values = torch.where(replace[1][..., None], replace[2].to(values.dtype), values)
            outputs.append(values)
            caches.append(cache)
        context.caches = caches
        context.keys_allowed = torch.cat((before, allowed), 1)
        context.next_position = context.next_position + tokens
        return Pass(outputs, self.norm(values))

    def fork(self, context: Context) -> Context:
        """Return a context that can be extended without touching the original."""
        return Context(context.keys_allowed, context.next_position, list(context.caches))

    def checkpoint(self) -> dict[str, Tensor]:
        """Return the weights under the names of the CODI checkpoint format."""
        renamed = {}
        for name, tensor in self.state_dict().items():
            prefix = "" if name.startswith("prj.") else LANGUAGE_MODEL_PREFIX + "model."
            renamed[prefix + name] = tensor.detach().clone()
        return renamed

    def load_checkpoint(self, tensors: dict[str, Tensor]) -> None:
        """Load weights stored under the names of the CODI checkpoint format, strictly."""
        prefix = LANGUAGE_MODEL_PREFIX + "model."
        self.load_state_dict({k.removeprefix(prefix): v.float() for k, v in tensors.items()})
