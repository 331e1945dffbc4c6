"""Where and in which number format a model runs, and how many rows at a time."""

import os
from pathlib import Path

import torch

from cotsieve.engine.decoder import Decoder
from cotsieve.ground.faults import bad

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def chosen_device(device: str) -> torch.device:
    """The device a study names; `auto` is a GPU where there is one. Raises BadInput."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise bad(
            "engine.device", f"'{device}' cannot be used ({reason})", "Use auto, cpu or cuda."
        ) from None
    return torch.device(device)


def set_matmul_mode(precision: str) -> None:
    """Let products of float32 use TF32 where the precision says so, and never narrower sums.

    One family of switches: torch refuses to mix it with the `fp32_precision` ones.
    """
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    if precision in ("bf16", "fp16") and torch.version.cuda:
        # Without room to split sums, a row's do not depend on the others; read when CUDA starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
        os.environ.setdefault("CUBLASLT_WORKSPACE_SIZE", "1")
        torch.backends.cuda.preferred_blas_library("cublaslt")


ON_CPU = 64
"""More rows gain nothing: by then the products fill one core."""
IN_NARROW_FORMATS = 512
"""Fixed, since there the batch may decide a row; see the precisions of a model."""
MOST = 2048
"""Every step of a 1B model is bound by arithmetic long before."""
SHARE = 0.6
"""Of the free memory; the rest is for the activations of a step, and for fragments."""


def chosen_rows(asked: int | str, decoder: Decoder, tokens: int, *, any_size: bool = True) -> int:
    """The rows of a batch: the number asked for, or with `auto` what fits the device.

    `tokens` is what one row may hold, prompt and all; `any_size` says that rows do not depend on
    the batch. A guess may be too large: then the engine halves the batch that does not fit.
    """
    if asked != "auto":
        return int(asked)
    if not any_size:
        return IN_NARROW_FORMATS
    if decoder.device.type != "cuda":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(decoder.device)
    return rows_that_fit(free, row_bytes(decoder, tokens))


def row_bytes(decoder: Decoder, tokens: int) -> int:
    """Memory of one row: keys and values of its tokens, twice while it is copied, and logits."""
    shape = decoder.architecture
    values = 2 * shape.layers * shape.kv_heads * shape.head_dim * tokens
    return 2 * values * decoder.dtype.itemsize + 3 * 4 * shape.vocabulary


def free_bytes(device: torch.device) -> int:
    """Memory that keys and values may take, beside what this process holds of it already."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(SHARE * (free + held))
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable"))
        return int(SHARE * int(available.split()[1]) * 1024)
    except (OSError, StopIteration):
        return int(SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def rows_that_fit(free: int, row: int) -> int:
    """A power of two, so that batches of equal jobs are equal, from 1 to the most that gains."""
    fitting = max(1, min(MOST, int(SHARE * free) // row))
    return 1 << (fitting.bit_length() - 1)
