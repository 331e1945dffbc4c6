"""Greedy text as the stock library writes it: one by one, as one batch, and continuously."""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel

PAGE = 32
"""Tokens; the library's own choice of 256 is longer than a question."""

Prompts = Mapping[str, Sequence[int]]
Rows = dict[str, list[int]]
"""Key → token ids without the one that ends them."""


class Unavailable(RuntimeError):
    """This version of the library has no continuous batching, or another kind of it."""


def alone(model: PreTrainedModel, prompts: Prompts, config: GenerationConfig) -> Rows:
    """One prompt at a time."""
    return {key: batched(model, {key: prompt}, config)[key] for key, prompt in prompts.items()}


@torch.inference_mode()
def batched(model: PreTrainedModel, prompts: Prompts, config: GenerationConfig) -> Rows:
    """All prompts as one batch, padded on the left."""
    longest = max(map(len, prompts.values()))
    tokens = torch.zeros(len(prompts), longest, dtype=torch.int64)
    seen = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts.values()):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        seen[row, longest - len(prompt) :] = 1
    found = model.generate(
        tokens.to(model.device), attention_mask=seen.to(model.device), generation_config=config
    )
    written = found[:, longest:].tolist()
    return {key: _ended(row, config) for key, row in zip(prompts, written, strict=True)}


def continuous(
    model: PreTrainedModel, prompts: Prompts, config: GenerationConfig
) -> Callable[[], Rows]:
    """A call that writes all prompts with `generate_batch`, on a copy of the model.

    A model with such a manager must not be used otherwise. Raises Unavailable.
    """
    try:
        from transformers import ContinuousBatchingConfig
    except ImportError:
        raise Unavailable("this version of transformers has another interface for it") from None
    own = copy.deepcopy(model)
    pages = ContinuousBatchingConfig(page_size=PAGE)
    if model.device.type == "cpu":  # by itself it would take most of the memory
        most = max(map(len, prompts.values())) + config.max_new_tokens
        pages.num_blocks = len(prompts) * (most // PAGE + 1)
        pages.max_batch_tokens = 1024

    def call() -> Rows:
        found = own.generate_batch(
            [list(prompt) for prompt in prompts.values()],
            generation_config=config,
            continuous_batching_config=copy.deepcopy(pages),
        )
        told = {tuple(done.prompt_ids): done for done in found.values()}  # not by request: order
        failed = [done.error for done in found.values() if done.error]
        if failed:
            raise RuntimeError(failed[0])
        return {
            key: _ended(told[tuple(prompt)].generated_tokens, config)
            for key, prompt in prompts.items()
        }

    return call


def _ended(written: Sequence[int], config: GenerationConfig) -> list[int]:
    """Up to the first token that ends the text."""
    ends = [place for place, token in enumerate(written) if token in config.eos_token_id]
    return list(written[: ends[0]] if ends else written)
