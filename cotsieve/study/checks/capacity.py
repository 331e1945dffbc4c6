"""Room and time a run needs, estimated before it starts, and what this machine has."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cotsieve.weights.architecture import Outline
from cotsieve.weights.headers import Header

NUMBER_BYTES = {"float32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "exact": 6}
"""Bytes per weight; `exact` may hold the model in 16 bits and in float32."""
CPU_SPEED, GPU_SPEED = 2e10, 2e13
"""Operations per second of one processor core, and of a GPU, that decoding in batches reaches:
orders of magnitude, for a first estimate."""
LOADING = 8.0
"""Seconds until a job has loaded its libraries and a small model."""


class Memory(NamedTuple):
    """Bytes a model takes while it runs."""

    weights: int
    row: int
    """Keys, values and logits of one row of a batch."""

    def needed(self, rows: int) -> int:
        return self.weights + rows * self.row


class Device(NamedTuple):
    """Where a model will run."""

    name: str
    free: int
    """Bytes."""
    is_gpu: bool


def parameters(headers: Iterable[Header]) -> int:
    """How many numbers the tensors hold."""
    count = 0
    for header in headers:
        size = 1
        for length in header.shape:
            size *= length
        count += size
    return count


def memory(shape: Outline, count: int, precision: str, positions: int) -> Memory:
    """What a model of `count` parameters takes, with rows of `positions` tokens."""
    number = NUMBER_BYTES[precision]
    cache = 2 * shape.layers * shape.kv_heads * shape.head_dim * positions * number
    return Memory(count * number, cache + shape.vocabulary * 4)


def device(wanted: str) -> Device | None:
    """The device that `engine.device` names, or None when it names a GPU that is not there.

    Asks the driver's own tool, which takes milliseconds where loading PyTorch takes seconds.
    """
    if wanted != "cpu":
        found = _gpu(wanted)
        if found or wanted != "auto":
            return found
    return Device("CPU", _free_memory(), False)


def _gpu(wanted: str) -> Device | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shutil.which("nvidia-smi") is None or visible in ("", "-1"):
        return None
    index = int(wanted.partition(":")[2] or 0) if ":" in wanted else 0
    chosen = visible.split(",")[index : index + 1] if visible else [str(index)]
    if not chosen:
        return None
    command = ["nvidia-smi", f"--id={chosen[0]}", "--query-gpu=name,memory.free"]
    try:
        done = subprocess.run(
            [*command, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20
        )
        name, free = done.stdout.strip().rsplit(",", 1)
        return Device(name, int(free) * 2**20, True)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def seconds(jobs: int, products: int, gpu: bool) -> float:
    """Seconds that `jobs` jobs take one after the other, where no earlier one tells.

    From the number of operations, two for each of `products`: parameters times tokens.
    """
    return 2.0 * products / (GPU_SPEED if gpu else CPU_SPEED) + LOADING * jobs


def result_bytes(rows: int, tokens: int) -> int:
    """Disk that rollouts of so many rows and tokens take: written, kept, and merged."""
    return 3 * rows * (250 + 3 * tokens)


def readable(size: float) -> str:
    """Bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
