"""The lean decoder computes what the transformers library computes."""

from collections.abc import Sequence

import pytest
import torch
from make_codi import MadeCodi, make_codi
from torch import Tensor

from cotsieve.engine.continuations import Continuations
from cotsieve.engine.decoder import Decoder
from cotsieve.weights.architecture import inverse_frequencies
from cotsieve.weights.codi_checkpoint import load_codi

LENGTHS = [5, 17, 0, 1, 9]
"""Tokens of the prompts of a batch; the continuations take it from there."""
STEPS = 4
CLOSE = {"rtol": 1e-4, "atol": 1e-4}

SHAPES = {
    "llama": {},
    "llama-untied-with-biases": {"tied": False, "attention_bias": True},
    "mistral": {},
    "qwen2": {},
    "qwen3": {},
    "gpt2": {},
}


@pytest.fixture(scope="module", params=list(SHAPES))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    family = request.param.split("-")[0]
    return make_codi(tmp_path_factory.mktemp(request.param), family, **SHAPES[request.param])


@pytest.fixture(scope="module")
def decoder(made: MadeCodi) -> Decoder:
    loaded = load_codi(made.checkpoint, made.base, made.rank, made.alpha)
    rotary = made.family != "gpt2"
    frequencies, scaling = inverse_frequencies(made.base) if rotary else (torch.empty(0), 1.0)
    return Decoder(
        loaded.architecture,
        loaded.weights,
        frequencies,
        scaling,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def some_tokens(decoder: Decoder, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(decoder.architecture.vocabulary, shape, generator=generator)


@torch.inference_mode()
def begun(
    decoder: Decoder, tokens: Tensor, lengths: Sequence[int], count: int, capacity: int = 1
) -> Continuations:
    prompts = decoder.read(tokens, torch.tensor(lengths))
    return Continuations.begin(prompts, count, capacity)


@torch.inference_mode()
def fed(decoder: Decoder, state: Continuations, tokens: Tensor) -> Tensor:
    """Feed tokens (B, C, steps); returns the hidden states (B, C, steps, H)."""
    steps = [decoder.step(decoder.embed(part), state) for part in tokens.unbind(-1)]
    return torch.stack(steps, dim=2)


def test_equals_the_library_on_prompts_of_mixed_length(made: MadeCodi, decoder: Decoder):
    prompts = some_tokens(decoder, len(LENGTHS), max(LENGTHS))
    more = some_tokens(decoder, len(LENGTHS), 3, STEPS, seed=1)
    hidden = fed(decoder, begun(decoder, prompts, LENGTHS, 3), more)
    stock = made.stock_model()
    for row, length in enumerate(LENGTHS):
        for column in range(3):
            whole = torch.cat((prompts[row, :length], more[row, column]))[None]
            with torch.inference_mode():
                wanted = stock(whole, output_hidden_states=True)
            ours = hidden[row, column]
            torch.testing.assert_close(ours, wanted.hidden_states[-1][0, length:], **CLOSE)
            logits = decoder.logits(ours, decoder.architecture.vocabulary)
            torch.testing.assert_close(logits, wanted.logits[0, length:], **CLOSE)


def test_pads_never_take_part(decoder: Decoder):
    prompts = some_tokens(decoder, len(LENGTHS), max(LENGTHS))
    more = some_tokens(decoder, len(LENGTHS), 2, STEPS, seed=1)
    real = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    garbage = torch.where(real, prompts, some_tokens(decoder, *prompts.shape, seed=2))
    first, second = (
        fed(decoder, begun(decoder, tokens, LENGTHS, 2), more) for tokens in (prompts, garbage)
    )
    assert first.equal(second)


def test_forks_go_on_as_the_one_they_come_from(decoder: Decoder):
    prompts = some_tokens(decoder, len(LENGTHS), max(LENGTHS))
    more = some_tokens(decoder, len(LENGTHS), 1, STEPS, seed=1)
    state = begun(decoder, prompts, LENGTHS, 1)
    fed(decoder, state, more[..., :2])
    forked = fed(decoder, state.fork(3), more[..., 2:].expand(-1, 3, -1))
    plain = fed(decoder, state, more[..., 2:])
    torch.testing.assert_close(forked, plain.expand_as(forked), **CLOSE)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 0, 3], [7], [4, 5]], ids=str)
def test_selected_rows_go_on_as_before(decoder: Decoder, kept: list[int]):
    """Rows 4 and 5 have an empty prompt."""
    prompts = some_tokens(decoder, len(LENGTHS), max(LENGTHS))
    more = some_tokens(decoder, len(LENGTHS), 2, STEPS, seed=1)
    state = begun(decoder, prompts, LENGTHS, 2)
    fed(decoder, state, more[..., :2])
    selected = state.select(torch.tensor(kept))
    wanted = fed(decoder, state, more[..., 2:]).flatten(0, 1)[kept]
    found = fed(decoder, selected, more[..., 2:].flatten(0, 1)[kept][:, None])
    torch.testing.assert_close(found[:, 0], wanted, **CLOSE)


def test_joined_batches_go_on_as_before(decoder: Decoder):
    """Batches of different width and capacity."""
    parts, ends = [], []
    for number, lengths in enumerate(([3, 12], [2], [20, 1, 0])):
        prompts = some_tokens(decoder, len(lengths), max(lengths), seed=number)
        more = some_tokens(decoder, len(lengths), 1, STEPS, seed=10 + number)
        parts.append(begun(decoder, prompts, lengths, 1, capacity=1 + 3 * number))
        fed(decoder, parts[-1], more[..., :2])
        ends.append(more[..., 2:])
    joined = fed(decoder, Continuations.join(parts), torch.cat(ends))
    apart = [fed(decoder, part, end) for part, end in zip(parts, ends, strict=True)]
    torch.testing.assert_close(joined, torch.cat(apart), **CLOSE)
