"""Checks of a model's folder that need no model library."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import changed
from transformers import AutoConfig, AutoModelForCausalLM
from written import make_reasoner

from cotsieve.demo.stories import make_sample, write_jsonl
from cotsieve.ground.faults import BadInput
from cotsieve.study.checks.check import check_results, check_study
from cotsieve.study.checks.preflight import preflight
from cotsieve.study.checks.templates import check_template
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.models import Style
from cotsieve.study.settings.reading import read_study

WHERE = "models.r1.style.prompt"


def test_a_chat_needs_a_template(tmp_path):
    with pytest.raises(BadInput) as caught:
        check_template(WHERE, tmp_path, Style(prompt="chat"))
    assert f"{WHERE}: there is no chat template in {tmp_path}" in str(caught.value)
    assert "prompt: raw" in str(caught.value)


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_template_is_found_in_either_place(name, tmp_path):
    template = "{{ messages[0].content }}"
    text = template if name.endswith("jinja") else json.dumps({"chat_template": template})
    (tmp_path / name).write_text(text)
    check_template(WHERE, tmp_path, Style(prompt="chat"))


def without(key: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = folder / "config.json"
        settings = json.loads(config.read_text())
        config.write_text(json.dumps({k: v for k, v in settings.items() if k != key}))

    return spoil


def another_width(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"n_inner": 48', '"n_inner": 64'))


SPOILT: dict[str, tuple[Callable[[Path], object], str, str]] = {
    # what is done to the folder → what is told, and what the mend says
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json", "Give a model folder"),
    "a cut config": (lambda f: (f / "config.json").write_text("{"), "is not JSON", "the model aga"),
    "no positions": (without("n_positions"), "n_positions: is missing", "Give the folder of"),
    "no weights": (
        lambda f: (f / "model.safetensors").unlink(),
        "no model.safetensors, pytorch_model.bin or index of shards", "Give the folder that holds",
    ),
    "weights of another name": (
        lambda f: (f / "model.safetensors").rename(f / "other.safetensors"),
        "holds no weight file", "It needs one of model.safetensors, ",
    ),
    "another width": (another_width, "c_fc.weight: has shape (32, 48)", "fetch both again"),
    "a cut tokenizer": (
        lambda f: (f / "tokenizer.json").write_text("{"),
        "its tokenizer cannot be loaded", "Fetch the model's tokenizer files",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_a_writing_model_is_mended_in_its_own_words(case, tmp_path, monkeypatch):
    """It is one folder; a base and a checkpoint are what latent models have."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(make_sample(3, 1), tmp_path / "problems.jsonl")
    folder = make_reasoner(tmp_path / "writer")  # for its tokenizer
    sizes = {"n_layer": 2, "n_embd": 32, "n_head": 4, "n_inner": 48, "n_positions": 512}
    words = AutoConfig.from_pretrained(folder).vocab_size
    config = AutoConfig.for_model("gpt2", **sizes, vocab_size=words)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    study = changed("models", {"r1": {"family": "reasoning", "model": str(folder)}})
    study = changed("sweeps main conditions", {"zero-middle": {"reasoning": "empty"}}, study)
    study = changed("decoding max_new_tokens", 8, changed("engine device", "cpu", study))
    plan = Plan(read_study(study))
    check_study(plan)
    preflight(plan)

    spoil, what, mend = SPOILT[case]
    spoil(folder)
    with pytest.raises(BadInput) as caught:
        check_study(plan)
        preflight(plan)
    assert what in str(caught.value) and mend in str(caught.value), caught.value
    for item in caught.value.findings:
        assert not re.search("base|checkpoint", item.mend), item


PLACES = {
    "a file as results": lambda folder: (folder / "results").write_text("x"),
    "a broken link": lambda folder: (folder / "results").symlink_to("none/there"),
    "a link to itself": lambda folder: (folder / "results").symlink_to("results"),
    "a file as the study": lambda folder: made(folder / "results").joinpath("toy").write_text("x"),
    "a file of rows": lambda folder: made(folder / "results/toy").joinpath("kept").write_text("x"),
    "a pipe as lock": lambda folder: os.mkfifo(made(folder / "results/toy") / ".lock"),
    "a folder as lock": lambda folder: made(folder / "results/toy/.lock"),
}


def made(folder):
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_stands_in_the_way_of_results_is_named(place, tmp_path):
    check_results(tmp_path / "results/toy")
    place(tmp_path)
    with pytest.raises(BadInput) as caught:
        check_results(tmp_path / "results/toy")
    assert len(str(caught.value).splitlines()) == 1 and str(tmp_path / "results") in str(
        caught.value
    )
