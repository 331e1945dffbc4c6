"""Read the tensors of a checkpoint folder, whichever of the usual file layouts it has."""

import json
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from cotsieve.ground.faults import BadInput, Finding, bad

LAYOUTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The file that decides how a folder is read; the first one present wins."""

INDEX = ".index.json"
LFS_POINTER = b"version https://git-lfs"
FETCH = "Fetch the file again and compare its size with the original."


def weight_files(checkpoint: Path) -> list[Path]:
    """The files `read_state` would read (index first, then shards by name), without reading them.

    Raises BadInput when there is no weight file, the index is damaged, or shards are missing.
    """
    head = _head(Path(checkpoint))
    return [head, *sorted(_shards(head))] if head.name.endswith(INDEX) else [head]


def read_state(checkpoint: Path) -> dict[str, Tensor]:
    """Tensor name → tensor on the CPU, in stored precision, mapped from disk where possible.

    `checkpoint` is a folder or one weight file. Pickles are opened with PyTorch's restricted
    unpickler, so a file that would run code is refused. Raises BadInput naming the file.
    """
    head = _head(Path(checkpoint))
    if not head.name.endswith(INDEX):
        return _read(head)
    state: dict[str, Tensor] = {}
    findings: list[Finding] = []
    for path, names in sorted(_shards(head).items()):
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


def _head(checkpoint: Path) -> Path:
    if checkpoint.is_file():
        return checkpoint
    if not checkpoint.is_dir():
        raise bad(checkpoint, "there is no such file or folder", "Correct the checkpoint's path.")
    for name in LAYOUTS:
        if (checkpoint / name).is_file():
            return checkpoint / name
    present = ", ".join(sorted(path.name for path in checkpoint.iterdir())[:8]) or "nothing"
    mend = f"A checkpoint has one of {', '.join(LAYOUTS)}; name its folder, or the file itself."
    raise bad(checkpoint, f"holds no weight file, only {present}", mend)


def _shards(index: Path) -> dict[Path, set[str]]:
    """Shard file → the tensors the index says it holds."""
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))["weight_map"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad(index, f"is not an index of shards ({error!r})", FETCH) from None
    shards: dict[Path, set[str]] = {}
    for name, file in entries:
        if not isinstance(file, str) or Path(file).name != file:
            what = f"{file!r} is not the name of a file beside the index"
            raise bad(f"{index}: {name}", what, FETCH)
        shards.setdefault(index.parent / file, set()).add(name)
    missing = [path for path in sorted(shards) if not path.is_file()]
    if missing:
        raise BadInput(
            Finding(str(path), f"is listed in {index.name} but missing", "Fetch this shard.")
            for path in missing
        )
    if not shards:
        raise bad(index, "lists no tensors", FETCH)
    return shards


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
