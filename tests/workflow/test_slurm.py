"""The workflow on a real Slurm cluster, private to this host, whose GPUs are made up.

The faults take minutes: COTSIEVE_SLOW=1 python -m pytest tests/workflow/test_slurm.py
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import files_under, run, study_of, write_study
from slurm_cluster import Cluster, SlurmJob, finish, freeze, until

RESULTS = ("problems.parquet", "rollouts/", "grades/", "merged/", "necessity/", "dataset/")
SUMMARY = "results/toy/summary/tiny.txt"
SHARDS = 5
slow = pytest.mark.skipif(
    not os.environ.get("COTSIEVE_SLOW"), reason="takes minutes; COTSIEVE_SLOW=1 runs it"
)


@pytest.fixture(scope="module")
def cluster(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tool = shared / "tools" / "slurm-local.sh"
    if not tool.is_file() or not all(map(shutil.which, ("sbatch", "slurmctld", "slurmdbd"))):
        pytest.skip(f"needs Slurm; as root: {tool} install")
    with Cluster(tool, tmp_path_factory.mktemp("slurm")).running() as running:
        yield running


def write_small_study(folder: Path, model: dict[str, Any], shards: int) -> None:
    """Shards of 8 problems, whose finished rows are kept at every third problem."""
    engine = {"shard_size": 8, "batch_rows": 4, "keep_problems": 2}
    study = study_of(model, engine=engine, decoding={"max_new_tokens": 60})
    write_study(folder, study, problems=8 * shards)


def results(folder: Path) -> dict[str, bytes]:
    files = files_under(folder / "results" / "toy")
    return {name: content for name, content in files.items() if name.startswith(RESULTS)}


@pytest.fixture(scope="module")
def undisturbed(tiny_model, tmp_path_factory) -> dict[int, dict[str, bytes]]:
    """Number of shards → the results of a local run."""
    found = {}
    for shards in (2, SHARDS) if os.environ.get("COTSIEVE_SLOW") else (2,):
        folder = tmp_path_factory.mktemp("local")
        write_small_study(folder, tiny_model, shards)
        run(folder, SUMMARY, cores=2)
        found[shards] = results(folder)
    return found


@pytest.fixture(scope="module")
def done(cluster, tiny_model, tmp_path_factory) -> tuple[Path, dict[str, list[SlurmJob]]]:
    """The folder of a small study that ran on the cluster, and its jobs by rule or group."""
    folder = tmp_path_factory.mktemp("cluster")
    write_small_study(folder, tiny_model, 2)
    finish(cluster.submit(folder, SUMMARY), folder)
    return folder, by_rule(cluster.jobs())


def by_rule(jobs: list[SlurmJob]) -> dict[str, list[SlurmJob]]:
    found: dict[str, list[SlurmJob]] = {}
    for job in jobs:
        found.setdefault(job.rule, []).append(job)
    return found


def log_of(folder: Path, shard: str) -> str:
    return (folder / f"results/toy/logs/generate/tiny/main/toy/{shard}.log").read_text()


def test_the_result_is_that_of_a_local_run(done, undisturbed):
    assert results(done[0]) == undisturbed[2]


def test_jobs_ask_for_what_the_profile_says(done):
    jobs = done[1]
    assert {rule: len(found) for rule, found in jobs.items()} == {
        "problems": 1,
        "generate": 2,
        "grading_grade": 1,
        "summing-up_draw_judge_merge": 1,
    }
    assert {(job.partition, job.minutes) for job in jobs["generate"]} == {("gpu", 120)}
    for job in jobs["generate"]:
        assert job.asked["gres/gpu:fake"] == job.given["gres/gpu"] == "1"
        assert (job.given["cpu"], job.given["mem"]) == ("2", "4000M")
    others = [found[0] for rule, found in jobs.items() if rule != "generate"]
    assert {job.partition for job in others} == {"main"}
    assert not [job for job in others if "gres/gpu" in job.asked]
    assert [(job.minutes, job.given["mem"]) for job in others] == [
        (15, "4000M"),  # problems
        (2, "2000M"),  # two shards are graded side by side
        (45, "4000M"),  # three rules, one after the other
    ]


def test_shards_run_at_the_same_time_on_different_gpus(cluster, done):
    folder, jobs = done
    first, second = jobs["generate"]
    assert first.start < second.end and second.start < first.end
    gpus = {cluster.gpu_of(job) for job in (first, second)}
    assert len(gpus) == 2
    given = [
        re.search(r"GPUs given by the scheduler: (\S+)", log_of(folder, f"000{shard}"))[1]
        for shard in range(2)
    ]
    assert sorted(given) == sorted(number for _, number in gpus)


@slow
def test_whatever_happens_to_jobs_the_bytes_are_the_same(
    cluster, undisturbed, tiny_model, tmp_path
):
    """Time limit, cancelled, out of memory, node lost, node drained: one fault for each shard."""
    write_small_study(tmp_path, tiny_model, SHARDS)
    memory = "{} if wildcards.shard == '0002' and attempt == 1 else attempt * 4000"
    lines = {"    cpus_per_gpu: 2": f"    cpus_per_gpu: 1\n    mem_mb: {memory.format(150)}"}
    before = {job.number for job in cluster.jobs()}
    run = cluster.submit(tmp_path, SUMMARY, profile=lines)

    timed_out = frozen_with_rows(cluster, tmp_path, "0000")
    cluster.command("scontrol", "update", f"JobId={timed_out}", "TimeLimit=1")
    cancelled = frozen_with_rows(cluster, tmp_path, "0001")
    cluster.command("scancel", cancelled)
    lost = frozen_with_rows(cluster, tmp_path, "0003")
    node = cluster.command("squeue", "--noheader", "-j", lost, "-o", "%N").strip()
    other = {"n1": "n2", "n2": "n1"}[node]
    cluster.command("scontrol", "update", f"NodeName={other}", "State=DRAIN", "Reason=test")
    cluster.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    cluster.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
    finish(run, tmp_path)
    cluster.command("scontrol", "update", f"NodeName={other}", "State=RESUME")

    jobs = [job for job in cluster.jobs() if job.number not in before]
    states = {
        shard: [job.state.split()[0] for job in jobs if job.comment.endswith(f"toy_{shard}")]
        for shard in ("0000", "0001", "0002", "0003", "0004")
    }
    print(states)
    assert results(tmp_path) == undisturbed[SHARDS]


def frozen_with_rows(cluster: Cluster, folder: Path, shard: str) -> str:
    """Wait until a shard's job has kept some rows, and stop its script; the job's number."""
    first = 8 * int(shard)
    parts = folder / f"results/toy/kept/tiny/toy/{first:08d}-{first + 7:08d}.main.parts"
    until(f"kept rows of {shard}", lambda: any(parts.glob("*.parquet")))
    numbers = {
        comment[-4:]: number
        for comment, number in cluster.running_jobs().items()
        if "rule_generate" in comment
    }
    assert freeze(numbers[shard]), f"shard {shard} had ended already"
    return numbers[shard]
