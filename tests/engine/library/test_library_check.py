"""Models of the library are refused before a run exactly where the library could not load them."""

import json
import logging
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.utils import logging as library_logging

from cotsieve.engine.library import check as library_check
from cotsieve.engine.library.check import check_library_weights
from cotsieve.engine.library.model import load_library_model
from cotsieve.ground.faults import BadInput
from cotsieve.weights.headers import Header, read_headers

SIZES = {
    "vocab_size": 60,
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
GEMMA = {"head_dim": 8, "num_key_value_heads": 2}
SOUND = {
    "bloom": {},
    "falcon": {},
    "gemma2": GEMMA,
    "gemma2, not tied": GEMMA | {"tie_word_embeddings": False},
    "gpt_neox": {},
    "gpt_neox, tied": {"tie_word_embeddings": True},
    "gptj": {"rotary_dim": 4},
    "mamba": {},
    "mixtral": {"num_local_experts": 4, "num_key_value_heads": 2},  # its experts are merged
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 16},
    "opt, not tied": {"tie_word_embeddings": False, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "phi3": {},
    "phi3, tied": {"tie_word_embeddings": True},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 8, "head_dim": 8},
}


def made(folder: Path, case: str, **changes: object) -> Path:
    config = AutoConfig.for_model(case.partition(",")[0], **SIZES | SOUND[case] | changes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def check(folder: Path) -> str | None:
    file = folder / "model.safetensors"
    return check_library_weights(folder, file, read_headers(file))


def loaded(folder: Path) -> dict[str, list]:
    """What the library misses as it really loads the model."""
    config = AutoConfig.from_pretrained(folder)
    _, told = AutoModelForCausalLM.from_pretrained(
        folder, config=config, ignore_mismatched_sizes=True, output_loading_info=True
    )
    return told


def reconfigured(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("case", SOUND)
def test_what_the_library_loads_is_not_refused(case: str, tmp_path: Path):
    folder = made(tmp_path, case)
    assert check(folder) is None
    told = loaded(folder)
    assert not told["missing_keys"] and not told["mismatched_keys"]


@pytest.mark.parametrize("kind", ["opt", "bloom", "gemma2"])
def test_a_tied_model_saved_without_its_output_layer_is_sound(kind: str, tmp_path: Path):
    """As many on the hub are: tensors are named without the prefix of the whole model."""
    config = AutoConfig.for_model(kind, **SIZES | SOUND[kind])
    AutoModel.from_config(config).save_pretrained(tmp_path)
    assert not any(name.startswith("model.embed") for name in read_headers(weights(tmp_path)))
    assert check(tmp_path) is None
    assert not loaded(tmp_path)["missing_keys"]


def weights(folder: Path) -> Path:
    return folder / "model.safetensors"


def test_constants_of_old_versions_are_no_fault(tmp_path: Path):
    folder = made(tmp_path, "gpt_neox")
    old = {"gpt_neox.layers.0.attention.rotary_emb.inv_freq": torch.zeros(4)}
    save_file(load_file(weights(folder)) | old, weights(folder))
    assert check(folder) is None


SPOILT = {
    # model → changes of its config.json
    "wider": ("gpt_neox", {"hidden_size": 64}),
    "other widths inside": ("phi3", {"intermediate_size": 64}),
    "more words": ("opt", {"vocab_size": 61}),
    "more positions": ("opt", {"max_position_embeddings": 65}),
    "more layers": ("bloom", {"n_layer": 3}),
    "more experts": ("mixtral", {"num_local_experts": 8}),
    "fewer heads": ("gemma2", {"num_key_value_heads": 1}),
    "an output layer of its own": ("gemma2", {"tie_word_embeddings": False}),
    "another kind": ("phi3", {"model_type": "gpt_neox"}),
    "another state": ("mamba", {"state_size": 8}),
}


@pytest.mark.parametrize("case", SPOILT)
def test_every_tensor_that_does_not_fit_is_named(case: str, tmp_path: Path):
    kind, changes = SPOILT[case]
    folder = made(tmp_path, kind)
    reconfigured(folder, **changes)
    told = loaded(folder)
    wrong = {*told["missing_keys"], *(name for name, _, _ in told["mismatched_keys"])}
    assert wrong
    with pytest.raises(BadInput) as caught:
        check(folder)
    found = [item.where for item in caught.value.findings]
    wanted = [f"{weights(folder)}: {name}" for name in sorted(wrong)]
    assert found[:20] == wanted[:20]
    if len(wanted) > 20:
        assert caught.value.findings[20].what == f"{len(wanted) - 20} more faults like these"


def test_what_no_model_can_be_built_from_is_told_by_file(tmp_path: Path):
    folder = made(tmp_path, "gptj")
    reconfigured(folder, n_head=5)
    with pytest.raises(BadInput, match=r"config\.json: transformers cannot build a model from it"):
        check(folder)


def test_a_model_that_reads_in_both_directions_is_refused(tmp_path: Path):
    """A BERT folder fits its own config, and the library has a writing class for it."""
    config = AutoConfig.for_model("bert", **SIZES)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    assert not loaded(tmp_path)["missing_keys"]
    with pytest.raises(BadInput, match="reads texts in both directions"):
        check(tmp_path)
    reconfigured(tmp_path, is_decoder=True)
    assert check(tmp_path) is None


def test_a_model_that_keeps_nothing_is_refused_as_its_job_would_refuse_it(tmp_path: Path):
    config = AutoConfig.for_model("rwkv", **SIZES)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="cannot go on from what it has read"):
        check(tmp_path)
    with pytest.raises(BadInput, match="cannot go on from what it has read"):
        load_library_model(tmp_path, 8, device=torch.device("cpu"), dtype=torch.float32)


def test_layers_that_the_config_leaves_out_are_told(tmp_path: Path):
    """The library drops them without a word, and some models carry more than is run."""
    folder = made(tmp_path, "phi3")
    reconfigured(folder, num_hidden_layers=1)
    remark = check(folder)
    assert "no use for: model.layers.1.input_layernorm.weight, " in remark
    assert remark.endswith(" and 3 more")


def test_no_number_is_held(tmp_path: Path):
    """A model of 27 billion numbers, of which there is nothing but the headers."""
    config = AutoConfig.for_model("gemma2", hidden_size=4608, num_hidden_layers=46)
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    headers = {name: Header(tuple(t.shape), 16) for name, t in model.state_dict().items()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check_library_weights(tmp_path, weights(tmp_path), headers) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_a_library_that_loads_otherwise_refuses_nothing(tmp_path: Path, monkeypatch, caplog):
    folder = made(tmp_path, "bloom")
    reconfigured(folder, n_layer=3)
    monkeypatch.setattr(library_check, "convert_and_load_state_dict_in_model", lambda model: None)
    assert check(folder).startswith("its tensors were not compared with its configuration (")


def test_the_library_tells_nothing_in_its_own_words(tmp_path: Path, capfd, caplog):
    folder = made(tmp_path, "opt")
    save_file({"other": torch.zeros(2)}, weights(folder))
    library_logging.enable_progress_bar()
    capfd.readouterr()
    with caplog.at_level(logging.WARNING), pytest.raises(BadInput):
        check(folder)
    assert capfd.readouterr() == ("", "") and not caplog.records
