"""Which engine runs a model is decided by its configuration, and what that says of its shape."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_architecture import GPT2, LLAMA, write
from transformers import AutoConfig

from cotsieve.ground.faults import BadInput
from cotsieve.weights.outline import (
    UNKNOWN_POSITIONS,
    is_lean,
    read_outline,
    safetensors_files,
    why_library,
)

QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 128}
MISTRAL = LLAMA | {"model_type": "mistral", "sliding_window": None}
WHY = {
    "llama": (LLAMA, None),
    "gpt2": (GPT2, None),
    "qwen3": (QWEN3, None),
    "mistral": (MISTRAL, None),
    "a window longer than any text": (MISTRAL | {"sliding_window": 131072}, None),
    "yarn": (QWEN3 | {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, None),
    "mistral's window": (MISTRAL | {"sliding_window": 4096}, "a sliding window"),
    "qwen's window": (QWEN3 | {"use_sliding_window": True}, "a sliding window"),
    "old dynamic": (LLAMA | {"rope_scaling": {"type": "dynamic"}}, "rotary kind dynamic"),
    "activation": (LLAMA | {"hidden_act": "relu2"}, "activation relu2"),
    "scaled": (GPT2 | {"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn: True"),
    "other": ({"model_type": "gemma2"}, "architecture gemma2"),
}


@pytest.mark.parametrize("case", WHY)
def test_which_engine_runs_a_model(case: str):
    config, why = WHY[case]
    assert why_library(config) == why


def saved(folder: Path, family: str, **changes: object) -> Path:
    AutoConfig.for_model(family, **changes).save_pretrained(folder)
    return folder


def test_the_lean_decoder_gets_the_whole_architecture(tmp_path: Path):
    assert is_lean(read_outline(write(tmp_path, LLAMA), 100))


OUTLINES = {
    "gemma2": ({}, (26, 2304, 4, 256, 256000, 8192, True)),
    "gemma3": ({}, (26, 2304, 4, 256, 262208, 131072, True)),
    "phi3": ({}, (32, 3072, 32, 96, 32064, 4096, True)),
    "mixtral": ({}, (32, 4096, 8, 128, 32000, 131072, True)),
    "bloom": ({}, (2, 64, 8, 8, 250880, UNKNOWN_POSITIONS, False)),
    "lfm2": (
        {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2},
        (2, 2560, 8, 80, 65536, 128000, False),
    ),
    "mamba": ({}, (32, 768, 1, 768, 50280, UNKNOWN_POSITIONS, False)),
}
"""Sizes of the library's own default configurations; that of gemma3 lies in its text part."""


@pytest.mark.parametrize("family", OUTLINES)
def test_what_a_configuration_says(family: str, tmp_path: Path):
    changes, expected = OUTLINES[family]
    found = read_outline(saved(tmp_path, family, **changes), 100)
    assert not is_lean(found) and found.family == family
    assert found.vocabulary == found.base_vocabulary
    assert expected == (
        found.layers,
        found.hidden,
        found.kv_heads,
        found.head_dim,
        found.vocabulary,
        found.max_positions,
        found.batched,
    )


def test_long_texts_get_their_own_rotations_for_a_whole_study(tmp_path: Path):
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 48}
    rope |= {"long_factor": [2.0] * 48, "original_max_position_embeddings": 4096}
    folder = saved(tmp_path, "phi3", rope_parameters=rope, max_position_embeddings=131072)
    assert read_outline(folder, 3072).max_positions == 4096
    assert read_outline(folder, 3073).max_positions == 131072


BAD = {
    "unknown": ({"model_type": "made_up"}, "config.json: transformers cannot read it"),
    "own code": (
        {"model_type": "made_up", "auto_map": {"AutoConfig": "code.Config"}},
        "config.json: transformers cannot read it",
    ),
    "quantised": (
        {"model_type": "gemma2", "quantization_config": {"quant_method": "fp8"}},
        "quantization_config: quantised weights",
    ),
    "no text": ({"model_type": "vit"}, "config.json: "),
    "no layers": ({"model_type": "gemma2", "num_hidden_layers": 0}, "num_hidden_layers: 0 is no"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_run_is_told_by_key(case: str, tmp_path: Path):
    config, told = BAD[case]
    with pytest.raises(BadInput) as caught:
        read_outline(write(tmp_path, config), 100)
    assert told in str(caught.value), caught.value


def test_code_beside_a_model_is_never_run(tmp_path: Path):
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = {"model_type": "made_up", "auto_map": {"AutoConfig": "code.Config"}}
    with pytest.raises(BadInput):
        read_outline(write(tmp_path, config), 100)
    assert not (tmp_path / "ran").exists()


def test_pickles_are_refused(tmp_path: Path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"pytorch_model\.bin: .*safetensors only"):
        safetensors_files(tmp_path)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {}}))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    assert [file.name for file in safetensors_files(tmp_path)] == ["model.safetensors"]


def test_a_model_of_the_lean_decoder_needs_no_library_to_be_looked_at(tmp_path: Path):
    write(tmp_path, QWEN3)
    code = "import sys, cotsieve.weights.outline as o; o.read_outline(sys.argv[1], 9); "
    code += "print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
