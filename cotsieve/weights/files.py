"""Read the tensors of a checkpoint folder, whichever of the usual file layouts it has."""

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.weights.headers import read_headers
from cotsieve.weights.layout import FETCH, INDEX, shards_of, weight_head

LFS_POINTER = b"version https://git-lfs"


def read_state(checkpoint: Path) -> dict[str, Tensor]:
    """Tensor name → tensor on the CPU, in stored precision, mapped from disk where possible.

    `checkpoint` is a folder or one weight file. Pickles are opened with PyTorch's restricted
    unpickler, so a file that would run code is refused. Raises BadInput naming the file.
    """
    head = weight_head(Path(checkpoint))
    if not head.name.endswith(INDEX):
        return _read(head)
    state: dict[str, Tensor] = {}
    findings: list[Finding] = []
    for path, names in sorted(shards_of(head).items()):
        tensors = _read(path)
        state |= tensors
        mend = "Fetch index and shards again, from one revision."
        for name in sorted(names - tensors.keys()):
            findings.append(Finding(f"{head}: {name}", f"is not in its shard {path.name}", mend))
        for name in sorted(tensors.keys() - names):
            findings.append(
                Finding(f"{path}: {name}", f"is not listed for this file in {head.name}", mend)
            )
    if findings:
        raise BadInput(findings)
    return state


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
    except OSError as error:
        raise bad(path, f"cannot be opened ({error.strerror})", "Make it readable.") from None
    if not start:
        raise bad(path, "is empty", FETCH)
    if start == LFS_POINTER:
        raise bad(path, "is a Git LFS pointer, not the weights", "Run `git lfs pull` there.")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise bad(path, f"is truncated or damaged ({_first_line(error)})", FETCH) from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    read_headers(path)  # raises for a file that would not only be damaged, but endless
    try:
        # Files from before PyTorch 1.6 are no zip archives and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError:
        raise
    except Exception as error:  # damaged pickles fail in every way there is
        what = f"cannot be read as weights ({_first_line(error)})"
        mend = f"{FETCH} A file that needs arbitrary code to load is refused: save tensors only."
        raise bad(path, what, mend) from error
    if not isinstance(state, dict):
        mend = "Save the model's state_dict."
        raise bad(path, f"holds a {type(state).__name__}, not named tensors", mend)
    mend = "Save the model's state_dict alone, without the training state around it."
    strange = [
        Finding(f"{path}: {name}", f"is a {type(value).__name__}, not a tensor", mend)
        for name, value in state.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if strange:
        raise BadInput(strange)
    return {name: tensor.detach() for name, tensor in state.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
