"""Jobs of one machine take different GPUs; all names are made up, no GPU is needed."""

import os
import subprocess
import sys

import pytest

from cotsieve.rollouts.own_gpu import SCHEDULERS, listed_gpus, take_gpu, visible_gpus

JOB = """
import logging, sys
from cotsieve.rollouts.own_gpu import take_gpu
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
take_gpu("auto")
import os
print("took", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch, tmp_path):
    for name in SCHEDULERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def start_job(visible: str) -> subprocess.Popen[str]:
    """A job that holds a GPU until its input ends, or until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", JOB],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": visible},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def taken(job: subprocess.Popen[str]) -> str:
    return next(line.split()[1] for line in job.stdout if line.startswith("took"))


def test_jobs_take_different_gpus_and_wait_when_none_is_free():
    jobs = [start_job("4,7"), start_job("4,7")]
    gpus = [taken(job) for job in jobs]
    assert sorted(gpus) == ["4", "7"]
    third = start_job("4,7")
    assert "waiting" in third.stdout.readline()
    jobs[1].kill()  # the lock goes with the process, however it ends
    assert taken(third) == gpus[1]
    for job in (*jobs, third):
        job.communicate()


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_is_named_is_left_alone(device, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert take_gpu(device) is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_what_a_scheduler_gave_is_left_alone(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert take_gpu("auto") is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


@pytest.mark.parametrize(("visible", "names"), [("", []), ("-1", []), ("2, 3", ["2", "3"])])
def test_the_environment_says_which_gpus_are_visible(visible, names):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": visible}) == names


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert visible_gpus({}) == []


def test_parts_of_a_divided_gpu_stand_for_it():
    told = (
        "GPU 0: NVIDIA H100 (UUID: GPU-a)\n"
        "GPU 1: NVIDIA H100 (UUID: GPU-b)\n"
        "  MIG 3g.40gb     Device  0: (UUID: MIG-c)\n"
        "  MIG 3g.40gb     Device  1: (UUID: MIG-d)\n"
        "GPU 2: NVIDIA H100 (UUID: GPU-e)\n"
    )
    assert listed_gpus(told) == ["GPU-a", "MIG-c", "MIG-d", "GPU-e"]
