"""Files that appear whole or not at all, and content digests that are not computed twice."""

import contextlib
import functools
import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cotsieve.ground.faults import bad
from cotsieve.ground.stopping import before_the_end

CACHE = Path(os.environ.get("COTSIEVE_CACHE", ".cotsieve"))
"""Where digests of large files are remembered; safe to delete."""

_HERE = socket.gethostname()[:64]


def _temporary(path: Path) -> Path:
    """A name beside `path` that says which process writes it, and where."""
    return path.with_name(f".{path.name}.{_HERE}-{os.getpid()}.tmp")


_asked_first: list[Callable[[], None]] = []
_told: dict[str, str] = {}


@contextlib.contextmanager
def asked_before_files_appear(ask: Callable[[], None]) -> Iterator[None]:
    """Inside the block no file appears where `ask` raises."""
    _asked_first.append(ask)
    try:
        yield
    finally:
        _asked_first.remove(ask)


@contextlib.contextmanager
def appearing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    remove = functools.partial(temporary.unlink, missing_ok=True)
    try:
        with before_the_end(remove):
            yield temporary
            _flush(temporary)
            for ask in _asked_first:
                ask()
            os.replace(temporary, path)
        _flush(path.parent)
    finally:
        remove()


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text so that the file appears whole or not at all."""
    with appearing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def content_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, remembered until the file may have changed.

    Raises BadInput for a folder, pipe or device, which could be read without end.
    """
    _told[str(path)] = found = _content_digest(path)
    return found


def digests_told() -> Mapping[str, str]:
    """Path → what `content_digest` has told of it last in this process."""
    return _told


def _content_digest(path: str | Path) -> str:
    link, path = path, Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise bad(path, "it is a folder, a pipe or a device, not a file", "Correct the path.")
    try:
        known = [str(path), *stamp_of(path)]
    except OSError as error:
        where = f"{link} → {path}" if Path(link).is_symlink() else link
        raise bad(where, f"cannot be opened ({error.strerror})", "Fetch it again.") from None
    note = CACHE / "digests" / (hashlib.sha256(str(path).encode()).hexdigest()[:32] + ".json")
    noted = remembered(note)
    if isinstance(noted, list) and noted[:-1] == known:
        return noted[-1]
    sha256 = sha256_of(path)
    with contextlib.suppress(OSError):  # a read-only cache costs time, nothing else
        remember(note, [*known, sha256])
    return sha256


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(path: str | Path) -> list[int]:
    """What differs whenever a file may have changed: size, times of modification and of change,
    and its number. The time of change cannot be set by a program."""
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def remember(note: Path, value: object) -> None:
    """Write a JSON note with a checksum into the cache; concurrent writers cannot tear it."""
    note.parent.mkdir(parents=True, exist_ok=True)
    temporary, text = _temporary(note), json.dumps(value)
    temporary.write_text(f"{_checksum(text)}\n{text}", encoding="utf-8")
    os.replace(temporary, note)


def remembered(note: Path) -> object:
    """What `remember` wrote; None where that is nothing, or damaged."""
    with contextlib.suppress(OSError, ValueError):
        checksum, _, text = note.read_text(encoding="utf-8").partition("\n")
        if checksum == _checksum(text):
            return json.loads(text)
    return None


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def clear_left_behind(folder: str | Path) -> list[Path]:
    """Remove what killed processes of this host left half-written below `folder`.

    Another host's processes cannot be asked whether they live, so their files stay.
    """
    ending = re.compile(rf"\.{re.escape(_HERE)}-(\d+)\.tmp$")
    removed = []
    for path in sorted(Path(folder).rglob(".*.tmp")):
        writer = ending.search(path.name)
        if writer and not is_running(int(writer[1])):
            with contextlib.suppress(OSError):  # gone already, or not ours to remove
                path.unlink()
                removed.append(path)
    return removed


def is_running(process: int) -> bool:
    """Whether a process of this number lives on this host."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
