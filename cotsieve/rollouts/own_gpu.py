"""A GPU for each job of a machine without a scheduler: no two jobs of a user are on the same one.

Snakemake limits how many GPU jobs run at a time, but gives them no devices. So a job locks a GPU
for as long as its process lives and makes it the only one CUDA shows; it waits when none is free.
"""

import fcntl
import logging
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
SCHEDULERS = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
    "KUBERNETES_SERVICE_HOST",
    "AWS_BATCH_JOB_ID",
)
"""Variables of schedulers that give devices themselves."""


def take_gpu(device: str) -> str | None:
    """Before CUDA is used: make one free GPU the only one this process sees; its name.

    None where there is nothing to choose: the study names a device, a scheduler has given one, or
    there is no GPU.
    """
    if device not in ("auto", "cuda"):
        return None
    if any(name in os.environ for name in SCHEDULERS):
        log.info("GPUs given by the scheduler: %s", os.environ.get(VISIBLE, "not said"))
        return None
    gpus = visible_gpus(os.environ)
    if not gpus:
        return None
    gpu = _locked(gpus, Path(tempfile.gettempdir()) / f"cotsieve-gpus-{os.getuid()}")
    os.environ[VISIBLE] = gpu
    log.info("runs on GPU %s, one of %d", gpu, len(gpus))
    return gpu


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Names CUDA knows GPUs by: those the environment lists, or else all of the machine."""
    if VISIBLE in environment:
        names = [name.strip() for name in environment[VISIBLE].split(",")]
        return [name for name in names if name and name != "-1"]
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):  # no driver, or one that hangs
        return []
    return listed_gpus(told.stdout)


def listed_gpus(told: str) -> list[str]:
    """Unique ids in what `nvidia-smi -L` tells; parts of a divided GPU stand for the whole."""
    found: list[str] = []
    for name in re.findall(r"\(UUID: ((?:GPU|MIG)-[^)\s]+)\)", told):
        if name.startswith("MIG") and found and found[-1].startswith("GPU"):
            found.pop()
        found.append(name)
    return found


def _locked(gpus: Sequence[str], folder: Path) -> str:
    """The first of `gpus` that becomes free; the lock lasts until the process ends."""
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        for gpu in gpus:
            lock = os.open(folder / gpu.replace("/", "_"), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return gpu
            except BlockingIOError:
                os.close(lock)
        if not waiting:
            log.info("all %d GPUs are taken by other jobs; waiting for one", len(gpus))
            waiting = True
        time.sleep(0.2)
