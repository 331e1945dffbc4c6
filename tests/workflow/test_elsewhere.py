"""The workflow where nothing is as usual: results in a storage, or as part of another workflow."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from running import ROOT, files_under, planned_jobs, run, snakemake, study_of, write_study

from cotsieve.demo.stories import make_sample
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

SUMMARY = "results/toy/summary/tiny.txt"
RESULTS = ("problems.parquet", "merged/", "necessity/", "dataset/", "summary/")
PROBLEMS = 8

OTHER_WORKFLOW = """
configfile: "config.yaml"

module cotsieve:
    snakefile: "{root}/Snakefile"
    config: config["problems"]

use rule * from cotsieve as cotsieve_*

rule count:
    default_target: True
    input:
        "results/toy/summary/tiny.txt",
    output:
        "counted.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""


@pytest.fixture(scope="module")
def study(tiny_model) -> dict[str, Any]:
    """A study whose problems lie on a hub."""
    hub = {"repo": "nobody/nothing", "split": "train", "revision": "0" * 40, "rows": PROBLEMS}
    sources = {"toy": {"hub": hub, "path": None, "format": "gsm8k"}}
    means = {"operation": "mean", "layer": "early"}
    return study_of(
        tiny_model,
        sources=sources,
        sweeps={"main": {"conditions": {"means": means}, "reference": {"problems": 4}}},
        engine={"shard_size": 4},
    )


def place_fetched(study: dict[str, Any], folder: Path) -> None:
    """What the fetch rule would make of the hub's problems, below `folder`."""
    rows = [problem.record() for problem in make_sample(PROBLEMS, 1)]
    path = folder / Plan(read_study(study)).source_file("toy")
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def results(folder: Path) -> dict[str, bytes]:
    files = files_under(folder / "results" / "toy")
    return {name: content for name, content in files.items() if name.startswith(RESULTS)}


@pytest.fixture(scope="module")
def usual(study, tmp_path_factory) -> dict[str, bytes]:
    """The results of a usual run."""
    folder = tmp_path_factory.mktemp("usual")
    place_fetched(study, folder)
    write_study(folder, study)
    run(folder, SUMMARY, cores=2)
    return results(folder)


def test_everything_may_lie_in_a_storage(usual, study, tmp_path):
    """Jobs share no file system: inputs and outputs go through the storage, and nothing else."""
    pytest.importorskip("snakemake_storage_plugin_fs")
    if not shutil.which("rsync"):
        pytest.skip("the storage plugin for folders needs rsync")
    place_fetched(study, tmp_path / "storage")
    write_study(tmp_path / "work", study)
    options = ("--shared-fs-usage", "none", "--default-storage-provider", "fs")
    options += ("--default-storage-prefix", str(tmp_path / "storage"))
    done = snakemake(tmp_path / "work", SUMMARY, *options, cores=2)
    assert done.returncode == 0, done.stdout[-6000:]

    assert results(tmp_path / "storage") == usual
    left = {path.name for path in (tmp_path / "work/results/toy").iterdir()}
    assert left <= {"kept", "damaged", ".lock"}, "only what can be made again lies outside"
    assert planned_jobs(tmp_path / "work", SUMMARY, *options).jobs == {}
    shutil.rmtree(tmp_path / "work/results")  # another machine has no kept rows
    assert planned_jobs(tmp_path / "work", SUMMARY, *options).jobs == {}


def test_another_workflow_uses_it_as_a_module(usual, study, tmp_path):
    folder = tmp_path / "other"
    place_fetched(study, folder)
    (folder / "workflow").mkdir()
    (folder / "workflow" / "Snakefile").write_text(OTHER_WORKFLOW.format(root=ROOT))
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"problems": study, "colour": "red"}, sort_keys=False)
    )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert results(folder) == usual
    assert (folder / "counted.txt").read_text().strip().isdigit()
