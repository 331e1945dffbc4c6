"""CODI models in the forms they are found in run as the whole checkpoint does, or say why not."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from make_codi import PEFT, MadeCodi, make_codi, save_state
from plain_codi import PlainCodi
from safetensors.torch import save_file
from tiny import IDS, answers, load, work_on

from cotsieve.ground.faults import BadInput
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.models import Model
from cotsieve.weights.architecture import read_architecture
from cotsieve.weights.check import checked_codi
from cotsieve.weights.codi_checkpoint import CodiCheckpoint, load_codi
from cotsieve.weights.tokenizer import entries


def save(tensors: dict, file: Path) -> None:
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, file)


def as_peft_saves(made: MadeCodi, folder: Path) -> Path:
    """Adapters with the embedding, the projection beside them, and a base model with weights."""
    folder.mkdir()
    plain, adapters = {}, {}
    for key, tensor in made.state.items():
        name = key.removeprefix("codi.")
        end = name.endswith(("embed_tokens.weight", "wte.weight", "lm_head.weight"))
        if ".lora_" in name:
            adapters[name.replace(".default", "")] = tensor
        elif not name.startswith("prj."):
            if end:
                adapters[name] = tensor
            bare = name.removeprefix("base_model.model.").replace(".base_layer", "")
            plain[bare] = tensor[:-3] if end else tensor
    if made.family == "gpt2":  # as the first GPT-2 is named
        plain = {name.removeprefix("transformer."): tensor for name, tensor in plain.items()}
    save(plain, made.base / "model.safetensors")
    save(adapters, folder / "adapter_model.safetensors")
    projection = {k.removeprefix("prj."): t for k, t in made.state.items() if k.startswith("prj.")}
    torch.save(projection, folder / "prj.bin")
    settings = {"peft_type": "LORA", "r": made.rank, "lora_alpha": made.alpha, "use_dora": False}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def checked_and_loaded(folder: Path, made: MadeCodi) -> CodiCheckpoint:
    assert checked_codi(folder, made.base, read_architecture(made.base), made.alpha)
    return load_codi(folder, made.base, made.rank, made.alpha)


def same(one: CodiCheckpoint, other: CodiCheckpoint) -> bool:
    weights = all(tensor.equal(other.weights[name]) for name, tensor in one.weights.items())
    return weights and all(t.equal(other.projection[name]) for name, t in one.projection.items())


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_a_folder_of_peft_is_the_whole_checkpoint(family: str, tmp_path: Path):
    made = make_codi(tmp_path, family, layers=1)
    folder = as_peft_saves(made, tmp_path / "peft")
    whole = load_codi(made.checkpoint, made.base, made.rank, made.alpha)
    assert same(checked_and_loaded(folder, made), whole)


def test_an_untied_base_gives_what_the_adapters_do_not_hold(tmp_path: Path):
    made = make_codi(tmp_path, tied=False, layers=1)
    whole = load_codi(made.checkpoint, made.base, made.rank, made.alpha)
    assert same(checked_and_loaded(as_peft_saves(made, tmp_path / "peft"), made), whole)


def test_the_weights_of_the_base_belong_to_a_folder_of_peft(tmp_path: Path):
    made = make_codi(tmp_path, layers=1)
    folder = as_peft_saves(made, tmp_path / "peft")
    files = {"checkpoint": str(folder), "base": str(made.base), "lora": {"alpha": made.alpha}}
    found = model_identity(Model(**files))
    assert "model.safetensors" in found["base"]
    assert {*found["checkpoint"]} == {path.name for path in folder.iterdir()}
    whole = model_identity(Model(**files | {"checkpoint": str(made.checkpoint)}))
    assert "model.safetensors" not in whole["base"]


def setting(**changes) -> Callable[[Path, MadeCodi], None]:
    def change(folder: Path, made: MadeCodi) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def without_embedding(folder: Path, made: MadeCodi) -> None:
    names = [f"{PEFT}model.embed_tokens.weight", f"{PEFT}lm_head.weight"]
    adapters = {
        key.removeprefix("codi.").replace(".default", ""): tensor
        for key, tensor in made.state.items()
        if ".lora_" in key and key not in names
    }
    save(adapters, folder / "adapter_model.safetensors")


def unnamed(folder: Path, made: MadeCodi) -> None:
    (folder / "prj.bin").rename(folder / "a.bin")
    save({"x": torch.ones(1)}, folder / "b.safetensors")


WRONG = {
    "another alpha": (setting(lora_alpha=64), "lora_alpha: it says 64, the study says 2"),
    "another rank": (setting(r=8), "json: r: it says 8, the adapters have rank 4"),
    "another rule": (setting(use_rslora=True), "use_rslora: True is not supported. Merge the"),
    "ranks by layer": (setting(rank_pattern={"q_proj": 2}), "rank_pattern: {'q_proj': 2} is not"),
    "no rows for the added tokens": (without_embedding, "save_embedding_layers"),
    "no projection": (lambda folder, _: (folder / "prj.bin").unlink(), "prj.1.weight: is missing"),
    "a base without weights": (
        lambda _, made: (made.base / "model.safetensors").unlink(),
        "it has no weights, and",
    ),
    "a whole checkpoint beside": (
        lambda folder, made: ((folder / "prj.bin").unlink(), save_state(folder, made.state, "bin")),
        "stands beside adapters, and is a whole checkpoint",
    ),
    "two files beside": (
        lambda folder, made: save_state(folder, made.state, "bin"),
        None,  # the one named prj is the projection
    ),
    "two unnamed files beside": (unnamed, "a.bin, b.safetensors stand beside the adapters, and"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_folder_of_peft_lacks_is_named(wrong: str, tmp_path: Path):
    made = make_codi(tmp_path, layers=1)
    folder = as_peft_saves(made, tmp_path / "peft")
    spoil, told = WRONG[wrong]
    spoil(folder, made)
    if told is None:
        assert checked_and_loaded(folder, made)
        return
    for look in (
        lambda: checked_codi(folder, made.base, read_architecture(made.base), made.alpha),
        lambda: load_codi(folder, made.base, None, made.alpha),
    ):
        with pytest.raises(BadInput) as caught:
            look()
        assert told in str(caught.value), caught.value


def test_what_sim_cot_adds_is_told_and_left_out(tmp_path: Path, caplog):
    made = make_codi(tmp_path, layers=1)
    extra = {f"decoder.{key.removeprefix('codi.')}": t for key, t in list(made.state.items())[:5]}
    extra |= {"pj_in.weight": torch.ones(32, 32), "pj_out.weight": torch.ones(32, 32)}
    folder = tmp_path / "sim-cot"
    folder.mkdir()
    save_state(folder, made.state | extra, "safetensors")
    caplog.set_level(logging.INFO, "cotsieve")
    whole = load_codi(made.checkpoint, made.base, made.rank, made.alpha)
    assert not caplog.text
    assert same(checked_and_loaded(folder, made), whole)
    assert "tensors of its training are not used: decoder.* (5), pj_in.* (1), pj_out.* (1)" in (
        caplog.text
    )


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_padding_of_a_vocabulary_is_never_written(family: str, tmp_path: Path):
    """The added tokens stand behind the padded rows; the other tokens are those of the library."""
    made = make_codi(tmp_path, family, padding=40)
    rows = read_architecture(made.base).vocabulary
    model = load(made)
    size = entries(model.tokenizer)
    assert rows == size + 43 and model.engine.style.after_thoughts[-1] == rows - 1
    oracle = PlainCodi(made, model.engine.greedy.stop_ids)
    oracle.written = size
    work = work_on(model, [None])
    found = answers(model, work)
    sure = 0
    for question, name in zip(work.questions, IDS, strict=True):
        ids, _ = found[name, 0]
        tokens, gap = oracle.answer(question, "codi-eval", model.engine.greedy.max_new_tokens)
        assert max(ids, default=0) < size
        if gap >= 1e-3:
            sure += 1
            assert list(ids) == tokens
    assert sure
