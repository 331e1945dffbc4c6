"""The names and shapes of a checkpoint's tensors, from its headers alone: no tensor is read."""

import json
import pickle
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cotsieve.ground.confined import Failed, OutOfBounds, confined
from cotsieve.ground.faults import bad
from cotsieve.weights.layout import FETCH

MOST_HEADER = 100 * 2**20
"""Bytes; the safetensors library refuses longer headers too."""
PICKLE_SECONDS = 2
"""Of a processor, for the pickle of one file; that of a large model takes some hundredths."""
_BEFORE_ZIP = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""What files of PyTorch before 1.6 begin with: their magic number as a pickle."""
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}


_UNREADABLE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError,
)  # fmt: skip
"""What reading a header that is none comes to; a size of 1e400 is infinite."""


class Header(NamedTuple):
    """What a file says of one tensor."""

    shape: tuple[int, ...]
    bits: int | None
    """Of one number; None for formats that are no weights, or were not told."""


def read_headers(path: Path) -> dict[str, Header]:
    """Tensor name → header, of a safetensors file or a zipped PyTorch pickle.

    The pickle is walked with stand-ins for everything it names, so nothing in it can run. Raises
    BadInput for a file that is empty, cut, not what its name says, or needs other code to load. A
    PyTorch file from before the zip layout cannot be looked into: it gives no headers.
    """
    try:
        start = path.open("rb").read(64)
    except OSError as error:
        raise bad(path, f"cannot be opened ({error.strerror})", "Make it readable.") from None
    if not start:
        raise bad(path, "is empty", FETCH)
    if start.startswith(b"version https://git-lfs"):
        raise bad(path, "is a Git LFS pointer, not the weights", "Run `git lfs pull` there.")
    return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)


def _safetensors(path: Path) -> dict[str, Header]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if not 2 <= length <= min(MOST_HEADER, size - 8):
            raise bad(path, "is truncated or damaged (its header does not fit)", FETCH)
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            ends = [entry["data_offsets"][1] for entry in header.values()]
            found = {
                name: Header(tuple(map(int, entry["shape"])), BITS.get(entry["dtype"]))
                for name, entry in header.items()
            }
        except _UNREADABLE:
            raise bad(path, "is truncated or damaged (its header is not JSON)", FETCH) from None
    if max(ends, default=0) != size - 8 - length:
        what = f"is truncated or damaged ({max(ends, default=0)} bytes of tensors are announced, "
        raise bad(path, f"{what}{size - 8 - length} are there)", FETCH)
    return found


def _pickled(path: Path) -> dict[str, Header]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                raise bad(path, "cannot be read as weights (the zip archive is cut)", FETCH)
            file.seek(0)
            start = file.read(len(_BEFORE_ZIP))
        if start != _BEFORE_ZIP:
            page = " but a web page" if start.lstrip()[:1] == b"<" else ""
            raise bad(path, f"is no checkpoint{page} (its first bytes are {start[:8]!r})", FETCH)
        return {}
    try:
        found = confined(partial(_walked, path), PICKLE_SECONDS)
    except (OutOfBounds, Failed) as error:  # damaged pickles fail in every way there is
        what = f"cannot be read as weights ({(str(error).splitlines() or [repr(error)])[0][:100]})"
        raise bad(path, what, FETCH) from None
    return {name: Header(tuple(shape), bits) for name, (shape, bits) in found.items()}


def _walked(path: Path) -> dict[str, Header]:
    """The headers in a pickle, of which a few bytes can stand for endless work and memory."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(names) != 1:
            raise bad(path, f"cannot be read as weights (it holds {len(names)} pickles)", FETCH)
        if archive.getinfo(names[0]).file_size > MOST_HEADER:
            raise bad(path, "cannot be read as weights (its pickle unpacks without end)", FETCH)
        try:
            with archive.open(names[0]) as file:
                state = _Walker(file).load()
        except _Refused as error:
            what = f"cannot be read as weights (its pickle wants to use {error})"
            mend = "A file that needs arbitrary code to load is refused: save tensors only."
            raise bad(path, what, mend) from None
    if not isinstance(state, dict):
        kind = "Tensor" if isinstance(state, Header) else type(state).__name__
        raise bad(path, f"holds a {kind}, not named tensors", "Save the model's state_dict.")
    found = {name: value for name, value in state.items() if isinstance(value, Header)}
    if state and not found:
        raise bad(path, "holds no named tensors", "Save the model's state_dict.")
    return found


class _Refused(Exception):
    pass


class _Storage(NamedTuple):
    bits: int | None


class _Dict(dict):
    """Also takes the attributes that a state dict carries."""


class _Walker(pickle.Unpickler):
    """Loads a state dict with headers in place of its tensors."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Dict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _header if name == "_rebuild_tensor_v2" else _parameter
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            sizes = {"Double": 64, "Float": 32, "Half": 16, "BFloat16": 16}
            return _Storage(sizes.get(name.removesuffix("Storage")))
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]


def _header(storage: _Storage, _offset: int, shape: tuple[int, ...], *_rest: Any) -> Header:
    return Header(tuple(shape), getattr(storage, "bits", None))


def _parameter(header: Header, *_rest: Any) -> Header:
    return header
