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


@pytest.mark.parametrize(("name", "shards"), [("config", 2), ("n-token-ablation", 2)])
def test_a_local_study_is_planned(name, shards, tmp_path):
    if not MODEL.is_file():
        pytest.skip(f"needs the bundled model {MODEL}")
    planned = planned_jobs(tmp_path, study=shipped(name))
    assert planned.jobs["generate"] == shards
    traced = planned.jobs.get("trace", 0)  # the default study has a model of each family
    assert traced == planned.jobs.get("ablate", 0)
    assert planned.jobs["grade"] == shards + traced
    assert planned.jobs["draw"] == planned.jobs["merge"] == (2 if traced else 1)
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


@pytest.fixture
def published_files(shared, tmp_path) -> Path:
    """A folder in which the published study finds its two files."""
    (tmp_path / "data").mkdir()
    for name in ("problem_pairs_gpt4_answers.json", "llama_cot_all.json"):
        packed = shared / "data" / "cot_expansion" / f"{name}.gz"
        (tmp_path / "data" / name).write_bytes(gzip.decompress(packed.read_bytes()))
    return tmp_path


def test_the_published_study_is_planned_before_anything_is_fetched(published_files):
    planned = planned_jobs(published_files, study=shipped("gsm8k-codi-llama"))
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
        "compare_graders": 1,
        "report": 1,
    }


@pytest.mark.parametrize(
    ("sweep", "shard", "fetched"),
    [
        ("expansion", "train/0000", 1),
        ("expansion", "train/0006", 2),  # the limit may cut it, so the test split counts too
        ("controls", "train/0000", 2),  # its means come from the test split
        ("controls", "test/0000", 1),
    ],
)
def test_a_job_waits_only_for_the_sources_it_reads(published_files, sweep, shard, fetched):
    target = f"results/gsm8k-codi-llama/rollouts/codi-llama/{sweep}/{shard}.parquet"
    planned = planned_jobs(published_files, target, study=shipped("gsm8k-codi-llama"))
    assert planned.jobs == {"fetch_source": fetched, "fetch_model": 1, "generate": 1}


def test_the_study_of_written_reasoning_is_planned(shared, tmp_path):
    (tmp_path / "data").mkdir()
    packed = shared / "data" / "math" / "math500.jsonl.gz"
    (tmp_path / "data" / "math500.jsonl").write_bytes(gzip.decompress(packed.read_bytes()))
    planned = planned_jobs(tmp_path, study=shipped("math500-r1-distill"))
    models, sweeps, shards = 2, 2, 10
    assert planned.jobs["trace"] == models * shards
    assert planned.jobs["ablate"] == planned.jobs["grade"] == models * sweeps * shards
    assert planned.jobs["fetch_model"] == planned.jobs["publish_traces"] == models
    assert "fetch_source" not in planned.jobs
