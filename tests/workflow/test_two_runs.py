"""Two runs of one study: the second stops. Two studies in one folder: both run."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from faults import workflow_command
from running import merged, snakemake, study_of, write_study


@pytest.fixture
def running(tiny_model, tmp_path) -> subprocess.Popen:
    """A run that has begun to work, and a second study beside it."""
    study = study_of(tiny_model, decoding={"max_new_tokens": 40}, engine={"batch_rows": 2})
    write_study(tmp_path, study, problems=40)
    other = merged(study, {"study": "other", "select": {"limit": 3}})
    (tmp_path / "study.yaml").rename(tmp_path / "first.yaml")
    write_study(tmp_path, other).rename(tmp_path / "other.yaml")
    with subprocess.Popen(
        workflow_command(tmp_path, "first.yaml", cores=1),
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        until = time.monotonic() + 120
        while not any(tmp_path.glob("results/toy/logs/generate/**/*.log")):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        yield process
        process.kill()


def test_the_second_run_stops_and_the_second_study_does_not(running, tmp_path: Path):
    second = snakemake(tmp_path, study="first.yaml")
    assert second.returncode != 0
    assert f"another run of this study is going on (process {running.pid} on" in second.stdout
    assert "Traceback" not in second.stdout
    assert snakemake(tmp_path, "--dry-run", study="first.yaml").returncode == 0
    other = snakemake(tmp_path, study="other.yaml")
    assert other.returncode == 0, other.stdout
    printed, _ = running.communicate(timeout=300)
    assert running.returncode == 0, printed
    assert (tmp_path / "results/toy/merged/tiny.parquet").is_file()
    assert (tmp_path / "results/other/merged/tiny.parquet").is_file()
    again = snakemake(tmp_path, study="first.yaml")
    assert "Nothing to be done" in again.stdout
