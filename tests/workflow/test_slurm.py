"""The workflow on a real Slurm cluster, private to this host, whose GPUs are made up."""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from running import files_under, run, study_of, write_study
from slurm_cluster import Cluster, SlurmJob, finish, freeze_holder, until

RESULTS = ("problems.parquet", "rollouts/", "grades/", "merged/", "necessity/", "dataset/")
SUMMARY = "results/toy/summary/tiny.txt"
SHARDS, SIZE = 5, 12
when_asked = pytest.mark.skipif(
    not os.environ.get("COTSIEVE_SLOW"), reason="takes minutes; `make test-slow` runs it"
)


@pytest.fixture(scope="module")
def cluster(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tool = shared / "tools" / "slurm-local.sh"
    if not tool.is_file() or not all(map(shutil.which, ("sbatch", "slurmctld", "slurmdbd"))):
        pytest.skip(f"needs Slurm; as root: {tool} install")
    with Cluster(tool, tmp_path_factory.mktemp("slurm")).running() as running:
        yield running


def write_small_study(folder: Path, model: dict[str, Any], shards: int) -> None:
    """Shards of a few problems, whose finished rows are kept after every second one."""
    engine = {"shard_size": SIZE, "batch_rows": 2, "keep_problems": 2}
    study = study_of(model, engine=engine, decoding={"max_new_tokens": 60})
    write_study(folder, study, problems=SIZE * shards)


def results(folder: Path) -> dict[str, bytes]:
    files = files_under(folder / "results" / "toy")
    return {name: content for name, content in files.items() if name.startswith(RESULTS)}


@pytest.fixture(scope="module")
def undisturbed(tiny_model, tmp_path_factory) -> Callable[[int], dict[str, bytes]]:
    """The results of a local run of so many shards."""

    def run_locally(shards: int) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp("local")
        write_small_study(folder, tiny_model, shards)
        run(folder, SUMMARY, cores=2)
        return results(folder)

    return run_locally


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
    assert results(done[0]) == undisturbed(2)


def test_jobs_ask_for_what_the_profile_says(cluster, done):
    jobs = done[1]
    assert {rule: len(found) for rule, found in jobs.items()} == {
        "problems": 1,
        "generate": 2,
        "grading_grade": 1,
        "summing-up_draw_judge_merge": 1,
    }
    assert {(job.partition, job.minutes) for job in jobs["generate"]} == {("gpu", 120)}
    for job in jobs["generate"]:
        assert (cluster.gpus_asked(job), job.given["gres/gpu"]) == ("fake:1", "1")
        assert (job.given["cpu"], job.given["mem"]) == ("2", "4000M")
    others = [found[0] for rule, found in jobs.items() if rule != "generate"]
    assert {job.partition for job in others} == {"main"}
    assert not [job for job in others if "gres/gpu" in job.asked]
    assert [(job.minutes, job.given["mem"]) for job in others] == [
        (15, "4000M"),  # problems
        (2, "2000M"),  # two shards are graded side by side
        (45, "4000M"),  # three rules, one after the other
    ]


def test_shards_run_at_the_same_time_on_different_gpus(done):
    folder, jobs = done
    first, second = jobs["generate"]
    assert first.start < second.end and second.start < first.end
    devices = set()
    for job in (first, second):
        told = re.search(r"GPUs given by the scheduler: (\d+)$", log_of(folder, job.shard), re.M)
        devices.add((job.node, told[1]))
    assert len(devices) == 2


@pytest.mark.slow
@when_asked
def test_whatever_happens_the_bytes_are_the_same(cluster, undisturbed, tiny_model, tmp_path):
    """Over time, cancelled, out of memory, on a lost node: one fault for each of four shards.

    And one node is drained, and Snakemake itself is killed and started again.
    """
    write_small_study(tmp_path, tiny_model, SHARDS)
    little = "mem_mb: 150 if wildcards.shard == '0002' and attempt == 1 else attempt * 4000"
    lines = {"    cpus_per_gpu: 2": f"    cpus_per_gpu: 1\n    {little}"}
    before = {job.number for job in cluster.jobs()}
    process = cluster.submit(tmp_path, SUMMARY, profile=lines)
    try:
        frozen, processes = freeze_with_rows(tmp_path, ["0000", "0001", "0003"])
        nodes = {shard: node_of(cluster, job) for shard, job in frozen.items()}
        late, node = "0000", {"n1": "n2", "n2": "n1"}[nodes["0000"]]
        lost = next(shard for shard in ("0003", "0001") if nodes[shard] == node)
        (cancelled,) = frozen.keys() - {late, lost}
        other = nodes[late]
        cluster.command("scontrol", "update", f"JobId={frozen[late]}", "TimeLimit=1")
        cluster.command("scancel", frozen[cancelled])
        cluster.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        cluster.command("scontrol", "update", f"NodeName={other}", "State=DRAIN", "Reason=test")
        cluster.bring_back(node)
        until("a second attempt", lambda: len(attempts(cluster, before)[late]) > 1)
    finally:
        process.kill()
    for number in processes:  # Slurm has done so already, unless it lost sight of one
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
    finish(cluster.submit(tmp_path, SUMMARY, profile=lines), tmp_path)
    cluster.bring_back(other)

    jobs = attempts(cluster, before)
    states = {shard: [job.state.split()[0] for job in found] for shard, found in jobs.items()}
    assert states[late][0] == "TIMEOUT"
    assert jobs[late][1].minutes == 240
    assert states[cancelled][0] == "CANCELLED"
    (told,) = tmp_path.glob(f".snakemake/slurm_logs/**/{jobs['0002'][0].number}.log")
    assert "exceeded memory limit" in told.read_text()
    assert [job.given["mem"] for job in jobs["0002"][:2]] == ["150M", "8000M"]
    assert states[lost][0] in ("NODE_FAIL", "REQUEUED")
    assert {job.number for job in jobs[lost][:2]} == {frozen[lost]}
    for shard in ("0000", "0001", "0003"):
        kept = re.search(rf"{SIZE} problems; (\d+) rows are kept", log_of(tmp_path, shard))
        assert int(kept[1]) > 0, shard
    assert results(tmp_path) == undisturbed(SHARDS)


def node_of(cluster: Cluster, job: str) -> str:
    """The node on which a job runs; each of the two has GPUs for two jobs."""
    return cluster.command("squeue", "--noheader", "-j", job, "-o", "%N").strip()


def attempts(cluster: Cluster, before: set[str]) -> dict[str, list[SlurmJob]]:
    """Shard → the jobs that generated it, in order, without the jobs `before`."""
    found: dict[str, list[SlurmJob]] = {f"{shard:04d}": [] for shard in range(SHARDS)}
    for job in sorted(cluster.jobs(), key=lambda job: int(job.number)):
        if job.rule == "generate" and job.number not in before:
            found[job.shard].append(job)
    return found


def freeze_with_rows(folder: Path, shards: list[str]) -> tuple[dict[str, str], list[int]]:
    """Stop the script of each of these shards once it has kept some rows.

    Shard → its job, and the stopped processes.
    """
    frozen: dict[str, tuple[str, int]] = {}

    def found_all() -> bool:
        for shard in set(shards) - frozen.keys():
            first = SIZE * int(shard)
            name = f"{first:08d}-{first + SIZE - 1:08d}.main.parts"
            parts = folder / "results/toy/kept/tiny/toy" / name
            holder = freeze_holder(parts) if any(parts.glob("*.parquet")) else None
            if holder:
                frozen[shard] = holder
        return len(frozen) == len(shards)

    until(f"kept rows of {shards}", found_all)
    return {shard: job for shard, (job, _) in frozen.items()}, [
        process for _, process in frozen.values()
    ]
