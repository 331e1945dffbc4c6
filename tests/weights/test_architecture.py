"""Configurations are read as transformers reads them, or refused by key."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from make_codi import make_codi
from transformers import AutoConfig

from cotsieve.ground.faults import BadInput
from cotsieve.weights.architecture import inverse_frequencies, read_architecture

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 16,
    "hidden_size": 2048,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "vocab_size": 128256,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 131072,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
}
GPT2 = {
    "model_type": "gpt2",
    "n_layer": 12,
    "n_embd": 768,
    "n_head": 12,
    "n_positions": 1024,
    "vocab_size": 50257,
    "layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new",
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def write(folder: Path, config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_two_released_bases(tmp_path: Path):
    llama = read_architecture(write(tmp_path, LLAMA))
    assert (llama.layers, llama.heads, llama.kv_heads, llama.head_dim) == (16, 32, 8, 64)
    assert (llama.vocabulary, llama.base_vocabulary, llama.tied) == (128259, 128256, True)
    gpt2 = read_architecture(write(tmp_path, GPT2))
    assert (gpt2.layers, gpt2.kv_heads, gpt2.head_dim, gpt2.intermediate) == (12, 12, 64, 3072)
    assert (gpt2.vocabulary, gpt2.max_positions, gpt2.activation) == (50260, 1024, "gelu_new")
    assert gpt2.tied


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "qwen2", "qwen3"])
def test_agrees_with_transformers(family: str, tmp_path: Path):
    base = make_codi(tmp_path, family, layers=1).base
    ours, theirs = read_architecture(base), AutoConfig.from_pretrained(base)
    assert ours.family == family
    assert ours.layers == theirs.num_hidden_layers
    assert ours.hidden == theirs.hidden_size
    assert ours.heads == theirs.num_attention_heads
    assert ours.head_dim == (getattr(theirs, "head_dim", None) or ours.hidden // ours.heads)
    assert ours.kv_heads == getattr(theirs, "num_key_value_heads", ours.heads)
    assert ours.base_vocabulary == theirs.vocab_size == ours.vocabulary - 3
    assert ours.max_positions == theirs.max_position_embeddings
    assert ours.tied == theirs.tie_word_embeddings


BAD = {
    "unknown family": (
        LLAMA | {"model_type": "mamba"},
        ["model_type", "'mamba'", "gpt2, llama, mistral, qwen2, qwen3"],
    ),
    "no family": ({}, ["model_type", "None"]),
    "several missing": (
        {"model_type": "llama", "vocab_size": 9},
        ["num_hidden_layers: is missing", "hidden_size: is missing", "rms_norm_eps: is missing"],
    ),
    "nonsense": (
        GPT2 | {"n_layer": -1, "n_head": "12", "activation_function": "cube"},
        ["n_layer: -1", "n_head: '12'", "activation 'cube' is not one of silu"],
    ),
    "heads": (LLAMA | {"num_key_value_heads": 5}, ["num_key_value_heads: 5 does not divide 32"]),
    "hidden": (GPT2 | {"n_head": 7}, ["n_embd: 768 is not a multiple of 7"]),
    "odd head": (LLAMA | {"head_dim": 63}, ["head_dim: 63 is odd"]),
    "scaled": (
        GPT2 | {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False},
        ["scale_attn_by_inverse_layer_idx: True is not supported", "scale_attn_weights: False"],
    ),
    "window of Mistral": (
        LLAMA | {"model_type": "mistral", "sliding_window": 4096},
        ["sliding_window: a window"],
    ),
    "window not named": (LLAMA | {"model_type": "mistral"}, ["sliding_window: a window over"]),
    "head size not named": (LLAMA | {"model_type": "qwen3"}, ["head_dim: is missing"]),
    "window": (LLAMA | {"model_type": "qwen2", "use_sliding_window": True}, ["use_sliding_window"]),
    "not an object": ([], ["is not a JSON object"]),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_configurations_are_refused_by_key(case: str, tmp_path: Path):
    config, expected = BAD[case]
    with pytest.raises(BadInput) as caught:
        read_architecture(write(tmp_path, config))
    message = str(caught.value)
    assert "config.json" in message and all(part in message for part in expected), message


def test_absent_and_torn_configurations(tmp_path: Path):
    with pytest.raises(BadInput, match=r"config\.json: cannot be read .*model folder"):
        read_architecture(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadInput, match=r"config\.json: is not JSON"):
        read_architecture(tmp_path)


def test_both_layouts_of_rotary_settings_agree(tmp_path: Path):
    old = LLAMA | {"rope_theta": 500000.0, "rope_scaling": LLAMA3}
    new = LLAMA | {"rope_parameters": LLAMA3 | {"rope_theta": 500000.0}}
    one, scaling = inverse_frequencies(write(tmp_path, old))
    other, _ = inverse_frequencies(write(tmp_path, new))
    assert one.equal(other) and one.dtype == torch.float32 and one.shape == (32,)
    assert scaling == 1.0
    plain, _ = inverse_frequencies(write(tmp_path, LLAMA | {"rope_theta": 500000.0}))
    expected = 500000.0 ** -(torch.arange(32, dtype=torch.float64) / 32)
    torch.testing.assert_close(plain.double(), expected, rtol=1e-6, atol=0)
    # The scaling leaves fast rotations alone and slows the slowest ones by its factor.
    assert one[0] == plain[0]
    torch.testing.assert_close(one[-1] * 32, plain[-1])


@pytest.mark.parametrize("head", [{}, {"head_dim": 128}], ids=["by heads", "head_dim"])
@pytest.mark.parametrize(
    "kind",
    [{}, {"rope_type": "linear", "factor": 4.0}, {"rope_type": "yarn", "factor": 4.0}, LLAMA3],
    ids=["plain", "linear", "yarn", "llama3"],
)
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_rotations_are_those_of_the_library(tmp_path: Path, family: str, kind: dict, head: dict):
    settings = {"model_type": family, "rope_theta": 500000.0, **head}
    base = write(tmp_path, LLAMA | settings | ({"rope_scaling": kind} if kind else {}))
    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    rotary = getattr(module, f"{family.title()}RotaryEmbedding")(AutoConfig.from_pretrained(base))
    frequencies, scaling = inverse_frequencies(base)
    assert frequencies.equal(rotary.inv_freq) and scaling == rotary.attention_scaling


def test_rotary_kinds_that_depend_on_length_are_refused(tmp_path: Path):
    scaling = {"rope_type": "dynamic", "factor": 2.0}
    with pytest.raises(BadInput, match=r"rotary kind 'dynamic' changes with the length"):
        inverse_frequencies(write(tmp_path, LLAMA | {"rope_scaling": scaling}))
    with pytest.raises(BadInput, match=r"rotary settings cannot be used"):
        inverse_frequencies(write(tmp_path, LLAMA | {"rope_scaling": {"rope_type": "spiral"}}))
    with pytest.raises(BadInput, match=r"no rotary positions"):
        inverse_frequencies(write(tmp_path, GPT2))


def test_reading_a_configuration_imports_neither_torch_nor_transformers():
    code = "import sys, cotsieve.weights.architecture as a; print({'torch','transformers'} & "
    done = subprocess.run(
        [sys.executable, "-c", code + "set(sys.modules))"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr
