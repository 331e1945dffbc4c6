"""Running out of memory is an outcome of a batch, not the end of a job."""

import gc
import re

import torch

from cotsieve.engine.decoding import Completion

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError, RuntimeError)
"""A CPU allocation that fails is a plain RuntimeError; `release_memory` tells it by its text."""

_CPU = re.compile(r"can't allocate memory|not enough memory", re.IGNORECASE)


def release_memory(error: BaseException) -> None:
    """Free what the failed batch held; re-raises an error that is not about memory."""
    is_memory = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if not is_memory and not _CPU.search(str(error)):
        raise error
    error.__traceback__ = None  # its frames hold the tensors of the batch
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def failed_for_memory() -> Completion:
    """The outcome of a row that does not fit even alone."""
    return Completion(
        (), "failed", float("nan"), "out of memory even alone; use a device with more memory"
    )
