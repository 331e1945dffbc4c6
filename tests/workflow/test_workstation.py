"""Jobs of one machine with two GPUs, whose names are made up: at once, each is on its own."""

import re
from pathlib import Path

from running import ROOT, snakemake, study_of, write_study

LINE = re.compile(r"^(\S+ \S+) INFO (.*)$", re.M)


def test_jobs_that_run_at_once_are_on_different_gpus(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # locks of other runs do not count
    for name in ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    write_study(tmp_path, study_of(tiny_model, engine={"shard_size": 3}), problems=9)
    shards = ("0000", "0001", "0002")
    targets = [f"results/toy/rollouts/tiny/main/toy/{shard}.parquet" for shard in shards]
    profile = str(ROOT / "profiles" / "workstation")
    done = snakemake(tmp_path, *targets, "--profile", profile, "--resources", "gpu=2", cores=3)
    assert done.returncode == 0, done.stdout[-6000:]

    used = [use_of(tmp_path / f"results/toy/logs/generate/tiny/main/toy/{s}.log") for s in shards]
    assert {gpu for gpu, _, _ in used} == {"3", "5"}
    for gpu, start, end in used:
        others = [other for other in used if other != (gpu, start, end)]
        assert not [one for one in others if one[0] == gpu and start < one[2] and one[1] < end]


def use_of(log: Path) -> tuple[str, str, str]:
    """Which GPU a job took, and from when to when."""
    lines = LINE.findall(log.read_text())
    ((start, gpu),) = [
        (time, told.split()[3].rstrip(",")) for time, told in lines if told.startswith("runs on")
    ]
    return gpu, start, lines[-1][0]
