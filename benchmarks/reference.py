"""The published procedure, one problem at a time: what the engine must equal, and is measured by.

As in the ablation scripts of GusSand/CoT_Exploration: the transformers library's own LLaMA with
adapters left beside the weights, a forward hook that writes over the residual stream, hidden states
and logits of every position computed in every pass, and before each ablated run a pass whose only
use is the shape of an activation. Batch 1, greedy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from benchmarks.shapes import Case, Model


@dataclass(frozen=True)
class Zeroed:
    """An ablation: zeros over the output of `block` in some thoughts.

    The hook is attached before the prompt is read, so with thought 0 the prompt's last token is
    overwritten too.
    """

    block: int
    thoughts: tuple[int, ...]


class AdaptedLinear(nn.Module):
    """A linear map and its adapter, computed apart as peft does while training."""

    def __init__(self, base: nn.Linear, down: Tensor, up: Tensor, scaling: float):
        super().__init__()
        self.base, self.scaling = base, scaling
        self.down = nn.Linear(down.shape[1], down.shape[0], bias=False)
        self.up = nn.Linear(up.shape[1], up.shape[0], bias=False)
        self.down.weight = nn.Parameter(down, requires_grad=False)
        self.up.weight = nn.Parameter(up, requires_grad=False)
        self.dropout = nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        change = self.up(self.down(self.dropout(inputs.to(self.down.weight.dtype))))
        return self.base(inputs) + change * self.scaling


class Reference:
    """One model, run the published way in float32."""

    def __init__(self, model: Model):
        self.about = model
        self.device = model.embedding.device
        self.model = _library_model(model)
        self.embedding = self.model.get_input_embeddings()
        layers = [nn.Linear(*model.projection[f"{part}.weight"].shape[::-1]) for part in _PROJECTS]
        self.projection = nn.Sequential(layers[0], nn.GELU(), layers[1])
        self.norm = nn.LayerNorm(model.architecture.hidden, eps=1e-5)
        for module, part in zip((*layers, self.norm), (*_PROJECTS, "norm"), strict=True):
            for name in ("weight", "bias"):
                values = model.projection[f"{part}.{name}"]
                setattr(module, name, nn.Parameter(values, requires_grad=False))

    @torch.no_grad()
    def run(self, case: Case, ablations: Sequence[Zeroed]) -> list[list[int]]:
        """Tokens of the baseline and of every ablation, without the one that ends them."""
        answers = [self._answer(case, 0, None)]
        for number, ablation in enumerate(ablations, start=1):
            self._cache_activations(case.question, ablation.block)
            answers.append(self._answer(case, number, ablation))
        return answers

    def _cache_activations(self, question: Sequence[int], block: int) -> list[Tensor]:
        """The pass that learns the shape of what is written."""
        cache = DynamicCache()
        out = self._prompt(question, cache)
        activations = []
        for thought in range(self.about.style.thoughts):
            out = self._forward(self._thought_input(thought, out), cache)
            activations.append(out.hidden_states[block][:, -1, :].cpu())
        return activations

    def _answer(self, case: Case, condition: int, ablation: Zeroed | None) -> list[int]:
        cache, hook = DynamicCache(), _Hook(ablation)
        if ablation:
            handle = self.model.model.layers[ablation.block].register_forward_hook(hook)
        hook.thought = 0
        out = self._prompt(case.question, cache)
        for thought in range(self.about.style.thoughts):
            hook.thought = thought
            out = self._forward(self._thought_input(thought, out), cache)
        if ablation:
            handle.remove()
        for token in self.about.style.after_thoughts[:-1]:
            self._forward(self._embedded([token]), cache)
        token, written = self.about.style.after_thoughts[-1], []
        while len(written) < case.lengths[condition]:
            logits = self._forward(self._embedded([token]), cache).logits[0, -1, :-1]
            token = int(logits.argmax())
            if token in self.about.stop_ids:
                break
            written.append(token)
        return written

    def _prompt(self, question: Sequence[int], cache: DynamicCache):
        return self._forward(self._embedded(self.about.style.prompt(list(question))), cache)

    def _thought_input(self, thought: int, before) -> Tensor:
        """The begin token is the first thought of style `seed`; the others are projected."""
        if self.about.style.prompt_style == "seed" and thought == 0:
            return self._embedded([self.about.style.begin_id])
        hidden = before.hidden_states[-1][:, -1:, :]
        return self.norm(self.projection(hidden))

    def _embedded(self, tokens: Sequence[int]) -> Tensor:
        return self.embedding(torch.tensor([tokens], device=self.device))

    def _forward(self, inputs: Tensor, cache: DynamicCache):
        return self.model(
            inputs_embeds=inputs,
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=True,
            return_dict=True,
        )


class _Hook:
    def __init__(self, ablation: Zeroed | None):
        self.ablation, self.thought = ablation, 0

    def __call__(self, _block: nn.Module, _inputs, output):
        if self.thought not in self.ablation.thoughts:
            return output
        stream = (output[0] if isinstance(output, tuple) else output).clone()
        stream[:, -1, :] = torch.zeros_like(stream[:, -1, :])
        return (stream, *output[1:]) if isinstance(output, tuple) else stream


_PROJECTS = ("down", "up")


def _library_model(model: Model) -> LlamaForCausalLM:
    shape = model.architecture
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        rms_norm_eps=shape.norm_eps,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=shape.tied,
        rope_parameters={"rope_type": "default", "rope_theta": model.rope_theta},
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.device("meta"):
        library = LlamaForCausalLM(config)
    library.to_empty(device=model.embedding.device)
    rotary = library.model.rotary_emb
    library.model.rotary_emb = type(rotary)(config).to(model.embedding.device)
    state = {name: tensor for name, tensor in model.base.items()}
    if shape.tied:
        state["lm_head.weight"] = model.embedding
    library.load_state_dict(state, assign=True)
    library.tie_weights()
    for stem, (down, up) in model.adapters.items():
        parent, _, name = stem.rpartition(".")
        module = library.get_submodule(parent)
        adapted = AdaptedLinear(getattr(module, name), down, up, model.scaling)
        setattr(module, name, adapted)
    return library.eval()
