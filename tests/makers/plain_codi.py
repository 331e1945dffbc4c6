"""CODI in plain words on the transformers library, one question at a time; an independent oracle.

Hooks on the library's blocks write the intervention; positions and masks are the library's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
import torch.nn.functional as F
from make_codi import MadeCodi
from torch import Tensor
from transformers import DynamicCache

Write = Callable[[Tensor], Tensor]
"""Output of a block at the last position, (1, H) → what takes its place."""


@dataclass
class Hit:
    """Write over the output of `block` during some thoughts, and over the prompt's last token."""

    block: int
    thoughts: tuple[int, ...]
    write: Write
    prompt: bool = False


class PlainCodi:
    def __init__(self, made: MadeCodi, stop_ids: frozenset[int]):
        self.model = made.stock_model()
        self.projection = {k: v.float() for k, v in made.state.items() if k.startswith("prj.")}
        self.bot = self.model.config.vocab_size - 2
        self.stop_ids = stop_ids
        self.written = self.bot + 1
        """Only tokens before this one are written."""
        self.embedding = self.model.get_input_embeddings().weight
        inner = self.model.transformer if made.family == "gpt2" else self.model.model
        self.blocks = inner.h if made.family == "gpt2" else inner.layers

    @torch.inference_mode()
    def answer(
        self, question: list[int], style: str, max_new_tokens: int, hit: Hit | None = None
    ) -> tuple[list[int], float]:
        """Tokens written (without the end) and the smallest gap between the best two logits."""
        cache = DynamicCache()
        ids = question if style == "seed" else [*question, self.bot]
        hidden, _ = self._forward(self.embedding[ids], cache, hit if hit and hit.prompt else None)
        for thought in range(6):
            begins = style == "seed" and thought == 0
            inputs = self.embedding[[self.bot]] if begins else self._project(hidden)
            hits = hit if hit and thought in hit.thoughts else None
            hidden, _ = self._forward(inputs, cache, hits)
        token, written, gap = self.bot + 1, [], inf
        while len(written) < max_new_tokens:
            _, logits = self._forward(self.embedding[[token]], cache, None)
            best, ids = logits[: self.written].topk(2)
            gap, token = min(gap, (best[0] - best[1]).item()), ids[0].item()
            if token in self.stop_ids:
                break
            written.append(token)
        return written, gap

    def _forward(
        self, inputs: Tensor, cache: DynamicCache, hit: Hit | None
    ) -> tuple[Tensor, Tensor]:
        handle = self._hook(hit) if hit else None
        out = self.model(
            inputs_embeds=inputs[None],
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=True,
        )
        if handle:
            handle.remove()
        return out.hidden_states[-1][0, -1:], out.logits[0, -1]

    def _hook(self, hit: Hit):
        def hook(_block, _inputs, output):
            stream = (output[0] if isinstance(output, tuple) else output).clone()
            stream[:, -1] = hit.write(stream[:, -1])
            return (stream, *output[1:]) if isinstance(output, tuple) else stream

        return self.blocks[hit.block].register_forward_hook(hook)

    def _project(self, hidden: Tensor) -> Tensor:
        weights = self.projection
        wide = F.gelu(F.linear(hidden, weights["prj.1.weight"], weights["prj.1.bias"]))
        out = F.linear(wide, weights["prj.3.weight"], weights["prj.3.bias"])
        return F.layer_norm(out, out.shape[-1:], weights["prj.ln.weight"], weights["prj.ln.bias"])
