"""What is wrong with a run is told before it starts, in one list, without loading weights."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hub_server import go_offline
from make_codi import MadeCodi, make_codi
from written import make_reasoner

from cotsieve.demo.stories import make_sample, write_jsonl
from cotsieve.ground.faults import BadInput
from cotsieve.study.checks import capacity, preflight
from cotsieve.study.checks.capacity import Device
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def made(tmp_path: Path, monkeypatch) -> MadeCodi:
    monkeypatch.chdir(tmp_path)
    write_jsonl(make_sample(12, 1), tmp_path / "problems.jsonl")
    return make_codi(tmp_path / "model", layers=4, format="safetensors")


def definition(made: MadeCodi, **changes) -> dict:
    model = {"checkpoint": str(made.checkpoint), "base": str(made.base), "lora": {"alpha": 2.0}}
    zero = {"zero": {"operation": "zero", "layer": "middle"}}
    return {
        "study": "toy",
        "sources": {"toy": {"path": "problems.jsonl"}},
        "models": {"tiny": model},
        "decoding": {"max_new_tokens": 20},
        "sweeps": {"main": {"conditions": zero}},
        "sieve": {"sweep": "main", "ablation": "zero"},
        "draw": {"targets": {"2-step": 1}},
        "engine": {"device": "cpu"},
    } | changes


def plan(made: MadeCodi, **changes) -> Plan:
    return Plan(read_study(definition(made, **changes)))


def test_a_sound_study_is_summed_up(made):
    disk, work, memory = preflight.preflight(plan(made))
    assert disk.startswith("disk: results take up to ") and disk.endswith(" are free")
    assert "1 job, 24 rows to make" in work and "very roughly 8 s" in work
    assert memory.startswith("tiny on CPU: weights ")


def test_models_without_jobs_are_not_looked_at(made):
    (made.checkpoint / "model.safetensors").write_bytes(b"")
    assert len(preflight.preflight(plan(made), {})) == 1


def cut_weights(made: MadeCodi, folder: Path) -> None:
    path = made.checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def other_base(made: MadeCodi, folder: Path) -> None:
    path = made.base / "config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 48', '"intermediate_size": 64'))


def broken_tokenizer(made: MadeCodi, folder: Path) -> None:
    (made.base / "tokenizer.json").write_text("{}")


def read_only(made: MadeCodi, folder: Path) -> None:
    (folder / "results").write_text("a file where the folder should be")


def nothing(made: MadeCodi, folder: Path) -> None:
    pass


WRONG: dict[str, tuple[Callable, dict, list[str]]] = {
    "cut weights": (cut_weights, {}, ["model.safetensors: is truncated", "Fetch the file again"]),
    "another base": (
        other_base, {}, ["gate_proj.base_layer.weight: has shape (48, 32); expected (64, 32)"],
    ),
    "broken tokenizer": (broken_tokenizer, {}, ["tokenizer.json: its tokenizer cannot be loaded"]),
    "no folder for results": (read_only, {}, ["results/toy: cannot be written (", "--directory"]),
    "no such device": (
        nothing, {"engine": {"device": "cuda:7"}}, ["engine.device: there is no device 'cuda:7'"],
    ),
    "too long an answer": (
        nothing, {"decoding": {"max_new_tokens": 600}},
        ["models.tiny: no question fits: the model has 512 positions", "Lower decoding"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told(wrong, made, tmp_path, monkeypatch):
    spoil, changes, told = WRONG[wrong]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    spoil(made, tmp_path)
    with pytest.raises(BadInput) as caught:
        preflight.preflight(plan(made, **changes))
    assert all(words in str(caught.value) for words in told), caught.value


LORA = {"lora": {"alpha": 2.0, "rank": 8}}


def test_a_rank_that_is_not_that_of_the_tensors_is_refused(made):
    models = {"tiny": definition(made)["models"]["tiny"] | LORA}
    with pytest.raises(BadInput, match=r"tiny\.lora\.rank: the study says 8, .* have rank 4"):
        preflight.preflight(plan(made, models=models))


def test_a_mistyped_folder_that_looks_like_a_repository_is_told_as_a_folder(made, monkeypatch):
    go_offline(monkeypatch)
    models = {"tiny": definition(made)["models"]["tiny"] | {"checkpoint": "models/tinny"}}
    told = r"models\.tiny\.checkpoint: models/tinny: there is no such folder, and the hub "
    with pytest.raises(BadInput, match=told):
        preflight.preflight(plan(made, models=models))


def test_a_grader_of_boxes_is_told_where_a_model_may_write_none(made):
    assert "boxed" not in told(made)
    assert r"models.tiny: grader math reads answers in \boxed{} alone" in told(
        made, grading={"grader": "math"}
    )


def test_alpha_zero_is_refused(made):
    models = {"tiny": definition(made)["models"]["tiny"] | {"lora": {"alpha": 0}}}
    with pytest.raises(BadInput, match=r"models\.tiny\.lora\.alpha"):
        plan(made, models=models)


def told(made: MadeCodi, **changes) -> str:
    return "\n".join(preflight.preflight(plan(made, **changes)))


def test_targets_that_no_candidates_can_meet_are_told_or_refused(made):
    assert "draw.targets" not in told(made)
    targets = {"2-step": 500, "3-step": 1}
    lines = told(made, draw={"targets": targets})
    assert "draw.targets.2-step: 500 problems are asked for, and at most 4 are in" in lines
    assert "draw.targets.3-step" not in lines
    assert "draw.total: 13 problems are asked for, and at most 12" in told(made, draw={"total": 13})
    with pytest.raises(BadInput, match=r"draw\.targets\.2-step: 500"):
        told(made, draw={"targets": targets, "on_shortage": "fail"})


def test_rows_that_will_be_recorded_are_counted(made, tmp_path):
    file = tmp_path / "problems.jsonl"
    rows = file.read_text().splitlines()
    rows[3] = '{"question": "", "answer": "#### 1"}'
    file.write_text("\n".join(rows) + "\n")
    source = {"toy": {"path": "problems.jsonl", "bad_rows": "record"}}
    assert "sources.toy: 1 row cannot be used and will be recorded as failed (row 3)" in told(
        made, sources=source
    )


def test_questions_that_will_not_fit_are_counted(made, tmp_path):
    file = tmp_path / "problems.jsonl"
    lines = [json.dumps({"question": "Tom has 3 pens. " * 200, "answer": "#### 1"})] * 2
    file.write_text(file.read_text() + "\n".join(lines) + "\n")
    assert "models.tiny: 2 questions of up to " in told(made)
    assert "will not fit 512 positions" in told(made)


def test_a_reasoning_that_may_not_fit_again_is_told_with_its_conditions(made, tmp_path):
    writer = make_reasoner(tmp_path / "qwen")
    words = {"full": {"reasoning": "reverse"}, "empty": {"reasoning": "empty"}}
    sweeps = {"main": {"conditions": words}}
    long = {"sweeps": sweeps, "decoding": {"max_new_tokens": 300}}
    lines = "\n".join(preflight.preflight(written_by(writer, made, **long)))
    assert "may not fit when they are read again, under full;" in lines
    short = {"sweeps": sweeps, "decoding": {"max_new_tokens": 20}}
    assert "read again" not in "\n".join(preflight.preflight(written_by(writer, made, **short)))


def written_by(folder: Path, made: MadeCodi, **changes) -> Plan:
    """A plan for a model that writes its reasoning."""
    model = {"family": "reasoning", "model": str(folder)}
    sweeps = {"main": {"conditions": {"empty": {"reasoning": "empty"}}}}
    sieve = {"sweep": "main", "ablation": "empty"}
    return plan(made, **{"models": {"writer": model}, "sweeps": sweeps, "sieve": sieve} | changes)


def test_written_reasoning_has_a_job_for_every_shard_and_one_more_for_every_sweep(made, tmp_path):
    words = {name: {"conditions": {name: {"reasoning": name}}} for name in ("empty", "swap")}
    writer = make_reasoner(tmp_path / "qwen")
    sieve = {"sweep": "empty", "ablation": "empty"}
    engine = {"device": "cpu", "shard_size": 5}
    found = preflight.preflight(written_by(writer, made, sweeps=words, sieve=sieve, engine=engine))
    told = "\n".join(found)
    assert "9 jobs, " in told  # 3 shards: traced, and ablated in 2 sweeps


def test_a_model_of_the_library_is_held_against_its_config(made, tmp_path):
    folder = make_reasoner(tmp_path / "phi", "phi3")
    told = "\n".join(preflight.preflight(written_by(folder, made)))
    assert "writer: run by the transformers library's own model" in told
    assert "no use for" not in told

    config = folder / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"num_hidden_layers": 3', '"num_hidden_layers": 2'))
    told = "\n".join(preflight.preflight(written_by(folder, made)))
    assert "writer: its files hold tensors that its config.json has no use for: " in told

    config.write_text(text.replace('"intermediate_size": 48', '"intermediate_size": 64'))
    with pytest.raises(
        BadInput, match=r"down_proj\.weight: has shape \(32, 48\); expected \(32, 64"
    ):
        preflight.preflight(written_by(folder, made))


def test_everything_wrong_is_told_at_once(made, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: Usage())
    monkeypatch.setattr(capacity, "device", lambda _: Device("small GPU", 1000, True))
    models = definition(made)["models"]
    other = make_codi(tmp_path / "other", layers=4)
    models |= {"cut": models["tiny"] | {"checkpoint": str(other.checkpoint)}}
    path = other.checkpoint / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput) as caught:
        preflight.preflight(plan(made, models=models))
    assert len(caught.value.findings) == 3
    for words in ("100 bytes are free", "small GPU has 1 kB free", "the zip archive is cut"):
        assert words in str(caught.value), caught.value


class Usage:
    free = 100


def test_alone_it_is_a_command_that_loads_no_model_library(made, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(definition(made)))
    code = "import sys, cotsieve.study.checks.preflight as p; c = p.main(sys.argv[1]); "
    code += "assert not {'torch', 'transformers'} & sys.modules.keys(); sys.exit(c)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for content, ending in ((None, 0), ("study: [", 1), ("- a\n", 1), ("study: toy\n", 1)):
        if content:
            file.write_text(content)
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)],
            capture_output=True, text=True, env=environment, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == ending, done.stderr
        assert "Traceback" not in done.stderr
        assert "disk: " in done.stdout if ending == 0 else done.stderr
