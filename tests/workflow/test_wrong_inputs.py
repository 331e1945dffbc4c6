"""Wrong input stops the real workflow while it is planned, with a message and no traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from running import json_lines, planned_jobs, snakemake, study_of, write_study

GOOD = {"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"}
COLUMNS = {"format": "columns", "columns": {"question": "question", "answer": "answer"}}


def bad_text(text: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "bad.jsonl"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def cut_parquet(folder: Path) -> Path:
    path = folder / "bad.parquet"
    pq.write_table(pa.table({"question": ["q"] * 500, "answer": ["#### 4"] * 500}), path)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def nan_answers(folder: Path) -> Path:
    path = folder / "bad.parquet"
    pq.write_table(pa.table({"question": ["a?", "b?"], "answer": [1.0, float("nan")]}), path)
    return path


SOURCES = {
    # how to write the file → further keys of its source, what the message must tell
    "missing file": (lambda folder: folder / "bad.jsonl", {}, ["there is no such file"]),
    "empty file": (bad_text(""), {}, ["the file is empty"]),
    "wrong encoding": (
        bad_text(json.dumps(GOOD).encode() + b"\n\xff\n"), {}, ["line 2", "byte 0xff is not UTF-8"],
    ),
    "no marker": (
        bad_text(f"{json.dumps(GOOD)}\n" + json.dumps(GOOD | {"answer": "It is 4."}) + "\n"),
        {}, ["row 1 (line 2)", "missing ####"],
    ),
    "repeated ids": (
        bad_text((json.dumps(GOOD | {"id": "a"}) + "\n") * 2),
        {"columns": {"id": "id"}}, ["row 1 (line 2)", "its id 'a' is also that of row 0"],
    ),
    "unknown column": (
        bad_text(json.dumps(GOOD) + "\n"),
        {"columns": {"id": "number"}}, ["no row has a column 'number'", "'question', 'answer'"],
    ),
    "nan answer": (nan_answers, COLUMNS, ["row 1", "the answer nan is not a number"]),
    "cut parquet": (cut_parquet, {}, ["damaged, cut or not Parquet"]),
}  # fmt: skip


def message_of(folder: Path, *arguments: str) -> str:
    """What a dry run that must fail says; it must not show how the program failed."""
    done = snakemake(folder, "--dry-run", *arguments)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout and ".smk" not in done.stdout
    assert "Job stats" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("wrong", SOURCES)
def test_a_wrong_source_stops_the_plan(wrong, tiny_model, tmp_path):
    write, keys, told = SOURCES[wrong]
    path = write(tmp_path)
    study = study_of(tiny_model, sources={"toy": {"path": str(path), **keys}})
    write_study(tmp_path, study)
    message = message_of(tmp_path)
    assert message.count("the study cannot run as it is") == 1
    for words in (str(path), *told):
        assert words in message


def test_all_wrong_files_of_a_study_are_told_at_once(tiny_model, tmp_path):
    json_lines([GOOD | {"answer": "none"}] * 2, tmp_path / "one.jsonl")
    (tmp_path / "two.json").write_text('{"question": "?"}')
    (tmp_path / "known.json").write_text("[]")
    (tmp_path / "empty").mkdir()
    study = study_of(
        tiny_model,
        sources={"toy": {"path": "one.jsonl"}, "more": {"path": "two.json"}},
        select={"exclude": [{"path": "llama_cot_all.json", "format": "cot_all"}]},
        existing={"path": "known.json"},
        models={
            "tiny": {"checkpoint": "no/such/folder"},
            "empty": tiny_model | {"checkpoint": str(tmp_path / "empty")},
            "old": {"family": "imported", "results": "no.json", "ablation": "zero-middle"},
        },
        sweeps={
            "main": {
                "conditions": {"zero-middle": {"layer": 9}},
                "grid": {"operation": ["mean"], "layer": [4, 1], "thoughts": ["all"]},
            }
        },
    )
    write_study(tmp_path, study)
    message = message_of(tmp_path)
    for words in (
        "one.jsonl row 0 (line 1): missing ####",
        "one.jsonl row 1 (line 2)",
        "two.json: an object stands where an array of objects is expected",
        "llama_cot_all.json: there is no such file. Correct the path, or fetch the published",
        "known.json: the file holds no rows",
        "models.tiny.checkpoint: there is no such folder (found: 'no/such/folder')",
        "no model.safetensors, pytorch_model.bin or index of shards",
        "no.json: there is no such file",
        "sweeps.main.conditions.zero-middle.layer (model tiny): 9 is out of range. "
        "The model has blocks 0 to 3.",
        "sweeps.main.grid.layer (model tiny): 4 is out of range",
    ):
        assert words in message, f"{words} is not in\n{message}"


def test_wrong_settings_are_told_without_reading_files(tiny_model, tmp_path):
    study = study_of(tiny_model, engine={"batch_row": 3}, sieve={"ablation": "zero-midle"})
    write_study(tmp_path, study)
    message = message_of(tmp_path)
    assert "engine.batch_row: unknown key (found: 3)" in message
    assert "sieve.ablation: there is no 'zero-midle'" in message


def test_sources_must_be_named_although_the_default_study_has_some(tiny_model, tmp_path):
    study = study_of(tiny_model)
    del study["sources"]
    write_study(tmp_path, study)
    assert "study.yaml: sources: is missing" in message_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("study: !!python/object/apply:os.mkdir [made]\n", "not valid JSON or YAML"),
        ("study: !!python/name:os.system\n", "config: study: it is no text"),
        ("study: a\nstudy: b\n", "study: the key stands there twice, on lines 1 and 2"),
        ("study: [a\n", "not valid JSON or YAML"),
    ],
)
def test_a_file_of_another_kind_is_refused(text, told, tmp_path):
    (tmp_path / "study.yaml").write_text(text)
    assert told in message_of(tmp_path)
    assert not (tmp_path / "made").exists()


def test_anchors_are_fine(tiny_model, tmp_path):
    study = write_study(tmp_path, study_of(tiny_model), problems=5)
    text = study.read_text()
    extra = yaml.safe_dump({"operation": "zero"}, default_flow_style=True).strip()
    text += f"_all: &all {extra}\n"
    text = text.replace("      zero-middle:\n        operation: zero\n",
                        "      zero-middle:\n        <<: *all\n")  # fmt: skip
    lines = text.splitlines(keepends=True)
    study.write_text("".join([lines[-1], *lines[:-1]]))
    assert "<<: *all" in study.read_text()
    assert planned_jobs(tmp_path).jobs["generate"] == 1


def test_a_cut_weight_file_stops_a_real_run_before_its_first_job(tiny_model, tmp_path):
    folder = tmp_path / "ckpt"
    shutil.copytree(tiny_model["checkpoint"], folder)
    weights = folder / "pytorch_model.bin"
    weights.write_bytes(weights.read_bytes()[:-100])
    write_study(tmp_path, study_of(tiny_model | {"checkpoint": str(folder)}), problems=5)
    done = snakemake(tmp_path)
    assert done.returncode != 0
    assert f"{weights}: cannot be read as weights (the zip archive is cut)" in done.stdout
    assert "Fetch the file again" in done.stdout
    assert "Traceback" not in done.stdout and ".smk" not in done.stdout
    assert not (tmp_path / "results/toy/problems.parquet").exists()
