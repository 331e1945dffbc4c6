"""The studies in config/ can be planned as they are, without a network."""

import gzip
from pathlib import Path

import pytest
from running import ROOT, planned_jobs, snakemake

MODEL = ROOT / "resources" / "models" / "tiny-codi" / "model.safetensors"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever asks for a page is sent to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def shipped(name: str) -> str:
    return str(ROOT / "config" / f"{name}.yaml")


@pytest.mark.parametrize(("name", "shards"), [("config", 3), ("n-token-ablation", 3)])
def test_a_local_study_is_planned(name, shards, tmp_path):
    if not MODEL.is_file():
        pytest.skip(f"needs the bundled model {MODEL}")
    planned = planned_jobs(tmp_path, study=shipped(name))
    assert planned.jobs["generate"] == planned.jobs["grade"] == shards
    assert planned.jobs["draw"] == 1
    assert "fetch_source" not in planned.jobs


def test_without_a_study_the_default_one_is_planned(tmp_path):
    if not MODEL.is_file():
        pytest.skip(f"needs the bundled model {MODEL}")
    planned = planned_jobs(tmp_path, study=None)
    assert any("results/default/" in output for output in planned.outputs)


def test_the_published_study_says_where_its_files_can_be_had(tmp_path):
    done = snakemake(tmp_path, "--dry-run", study=shipped("gsm8k-codi-llama"))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    folder = "/src/experiments/activation_patching/"
    for name in ("problem_pairs_gpt4_answers.json", "data/llama_cot_all.json"):
        assert (
            f"GusSand/CoT_Exploration/4c3a34f882ee58d6e485e70cad26afff3a3851c0{folder}{name}"
            in (done.stdout)
        )


def test_the_published_study_is_planned_before_anything_is_fetched(shared, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("problem_pairs_gpt4_answers.json", "llama_cot_all.json"):
        unpack(shared / "data" / "cot_expansion" / f"{name}.gz", tmp_path / "data" / name)
    planned = planned_jobs(tmp_path, study=shipped("gsm8k-codi-llama"))
    shards = ["test/0000", "test/0001", *(f"train/{index:04d}" for index in range(7))]
    assert planned.shards("rollouts") == planned.shards("grades") == set(shards)
    sweeps = 2
    assert planned.jobs == {
        "fetch_source": 2,
        "fetch_model": 1,
        "problems": 1,
        "generate": sweeps * len(shards),
        "grade": sweeps * len(shards),
        "merge": 1,
        "judge": 1,
        "draw": 1,
    }


def unpack(packed: Path, path: Path) -> None:
    path.write_bytes(gzip.decompress(packed.read_bytes()))
