"""A model that only the transformers library knows, through the whole workflow."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT, merged, planned_jobs, run, snakemake, write_study
from warm import warm_python

from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.ground.tables import read

CONDITIONS = {
    "empty": {"reasoning": "empty", "answer": "forced"},
    "swap": {"reasoning": "swap"},
    "blocked": {"attention": "blocked"},
    "zero": {"operation": "zero", "layer": "middle"},
    "mean": {"operation": "mean", "layer": 1, "component": "resid_pre"},
}


def study(model: Path, **changes) -> dict:
    return merged(
        {
            "study": "foreign",
            "sources": {"toy": {"path": "problems.jsonl", "format": "gsm8k"}},
            "models": {"gemma": {"family": "reasoning", "model": str(model)}},
            "decoding": {"max_new_tokens": 8},
            "sweeps": {"written": {"conditions": CONDITIONS}},
            "sieve": {"sweep": "written", "ablation": "empty"},
            "draw": {"total": 1},
            "engine": {"batch_rows": 3, "shard_size": 10},
        },
        changes,
    )


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    from written import make_reasoner

    return lambda family: make_reasoner(tmp_path_factory.mktemp(family), family, positions=1024)


MERGED_FILE, NECESSITY_FILE = (
    f"results/foreign/{name}/gemma.parquet" for name in ("merged", "necessity")
)


def preflight(folder: Path) -> str:
    """What `make preflight` says."""
    command = [warm_python(), "-m", "cotsieve", "check", "study.yaml"]
    place = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    return subprocess.run(command, **place, text=True, capture_output=True, check=True).stdout


def test_from_problems_to_necessity(make, tmp_path):
    model = make("gemma2")
    write_study(tmp_path, study(model), problems=6)
    asked = preflight(tmp_path)
    told = run(tmp_path, MERGED_FILE, NECESSITY_FILE)
    assert "gemma: run by the transformers library's own model (architecture gemma2)" in told
    assert "2 jobs, 36 rows to make" in told and "2 jobs, 36 rows to make" in asked
    assert "nothing is left to be made" in preflight(tmp_path)
    rows = read(tmp_path / MERGED_FILE, MERGED).to_pylist()
    assert len(rows) == 6 * (1 + len(CONDITIONS))
    assert {row["finish_reason"] for row in rows} <= {"stop", "length"}
    texts = {(row["problem_id"], row["condition"]): row["text"] for row in rows}
    changed = [c for c in CONDITIONS if any(texts[p, c] != texts[p, "baseline"] for p, _ in texts)]
    assert changed == list(CONDITIONS)
    needed = read(tmp_path / NECESSITY_FILE, NECESSITY).to_pylist()
    assert len(needed) == 6 and all(row["needs_cot"] is not None for row in needed)

    assert not planned_jobs(tmp_path, MERGED_FILE).jobs
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"final_logit_softcapping": 5.0}))
    assert {"trace", "ablate"} <= planned_jobs(tmp_path, MERGED_FILE).jobs.keys()


def test_what_cannot_be_run_is_told_before_any_job(make, tmp_path):
    """A model whose layers remember more than keys and values, and weights that are pickles."""
    recurrent = make("lfm2")
    write_study(tmp_path, study(recurrent), problems=6)
    done = snakemake(tmp_path, MERGED_FILE)
    assert done.returncode and "sweeps.written.conditions.blocked.attention" in done.stdout
    assert "cannot be kept from seeing what it has read" in done.stdout

    pickled = shutil.copytree(make("olmo2"), tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    write_study(tmp_path, study(pickled), problems=6)
    done = snakemake(tmp_path, MERGED_FILE)
    assert done.returncode and "is loaded from safetensors only" in done.stdout
    assert not (tmp_path / "results/foreign/traces").exists()
