"""Records of results: beside them stands what made each, and what was in every file of it.

A record is `results/<study>/identity/<path of the first file>.json`; a job writes it last. It tells
the identity of the job, its params, and the SHA-256 of every file. Params that are long stand once,
in `identity/values/`, by their digest. Whatever is emptied, cut, edited, exchanged or taken from
elsewhere is no longer what its record says.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from cotsieve.ground.files import (
    CACHE,
    remember,
    remembered,
    sha256_of,
    stamp_of,
    write_text,
)
from cotsieve.ground.seeds import digest

log = logging.getLogger(__name__)

FOLDER, VALUES = "identity", "values"
UNKNOWN = "nothing is known of how its files were made"
LONGEST = 80
"""Params whose JSON has more characters are not written into the record."""
_STAMP_OF_SNAKEMAKE = ".snakemake_timestamp"


def write_record(
    results: Path, identity: str, params: Mapping[str, Any], outputs: Iterable[str]
) -> None:
    """Note what a job made: files and folders below `results`, the folder of the study."""
    outputs = [Path(output) for output in outputs]
    files = {
        file.relative_to(results).as_posix(): sha256_of(file)
        for output in outputs
        for file in _files(output)
    }
    told = {name: _noted(results, value) for name, value in params.items()}
    record = {"identity": identity, "files": files, "params": told}
    write_text(record_of(results, outputs[0]), json.dumps(record, ensure_ascii=False) + "\n")


def recorded_params(results: Path, output: str | Path) -> dict[str, Any] | None:
    """The params that the job of a file was made with; None where that is not known."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(record_of(results, Path(output)).read_text(encoding="utf-8"))
        return {name: _told(results, value) for name, value in record["params"].items()}
    return None


class Records:
    """The records of one study, and what is known of its files since they were last looked at."""

    def __init__(self, results: str | Path):
        """`results` is the study's folder."""
        self._results = Path(results)
        name = sha256(str(self._results.resolve()).encode()).hexdigest()[:32]
        self._note = CACHE / "results" / f"{name}.json"
        self._seen: dict[str, list] = remembered(self._note) or {}
        self._new = False
        self._named: set[str] = set()

    def fault(self, outputs: Iterable[str], identity: str) -> str | None:
        """Why the files of a job are not what it would make now, in words.

        None if they are, and if there are none: then whoever needs them has them made.
        """
        outputs = [Path(output) for output in outputs]
        if not any(output.exists() for output in outputs):
            return None
        record = self._record(record_of(self._results, outputs[0]))
        if record is None:
            return UNKNOWN
        if record["identity"] != identity:
            return "made otherwise"
        noted = record["files"]
        found = {file.relative_to(self._results).as_posix(): file for file in _all(outputs)}
        contents = {name: self._content(file) for name, file in found.items()}
        missing = sorted(name for name in noted if contents.get(name) is None)
        changed = sorted(
            name for name in contents.keys() - missing if contents[name] != noted.get(name)
        )
        return self._told(missing, changed)

    def _told(self, missing: Sequence[str], changed: Sequence[str]) -> str | None:
        for name in changed:
            if name not in self._named:
                self._named.add(name)
                path = self._results / name
                log.warning("%s is not as it was written (it will be made again)", path)
        kinds = (("output missing", missing), ("changed since it was made", changed))
        told = [f"{what}: {', '.join(map(self._path, names))}" for what, names in kinds if names]
        return "; ".join(told) or None

    def _path(self, name: str) -> str:
        return (self._results / name).as_posix()

    def save(self) -> None:
        """Remember what was seen, so that it need not be read again."""
        if self._new:
            with suppress(OSError):  # a read-only cache costs time, nothing else
                remember(self._note, self._seen)

    def _record(self, path: Path) -> dict[str, Any] | None:
        """The identity and the files of a record; None if it is gone or damaged."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            return self._once(path, _read_record)
        return None

    def _content(self, file: Path) -> str | None:
        with suppress(OSError):
            return self._once(file, sha256_of)
        return None

    def _once(self, path: Path, look) -> Any:
        """What a look at a file tells; it is looked at again only when it may have changed."""
        stamp, key = stamp_of(path), path.as_posix()
        known = self._seen.get(key)
        if known is None or known[0] != stamp:
            self._new = True
            known = self._seen[key] = [stamp, look(path)]
        return known[1]


def _read_record(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return {"identity": str(record["identity"]), "files": dict(record["files"])}


def record_of(results: Path, output: Path) -> Path:
    """Where the record of a job lies, by the first of its files."""
    return results / FOLDER / f"{output.relative_to(results).as_posix()}.json"


def _all(outputs: Iterable[Path]) -> list[Path]:
    return [file for output in outputs for file in _files(output)]


def _files(output: Path) -> list[Path]:
    """The files of a folder, or a file itself."""
    if not output.is_dir():
        return [output]
    return [file for file in sorted(output.rglob("*")) if _counts(file)]


def _counts(file: Path) -> bool:
    return file.name != _STAMP_OF_SNAKEMAKE and file.is_file()


def _noted(results: Path, value: Any) -> list[Any]:
    """A param as a record holds it: itself, or the digest under which it stands elsewhere."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST:
        return [value]
    name = digest(value)
    path = results / FOLDER / VALUES / f"{name}.json"
    if not path.is_file():
        write_text(path, text + "\n")
    return ["long", name]


def _told(results: Path, noted: list[Any]) -> Any:
    if len(noted) == 1:
        return noted[0]
    return json.loads((results / FOLDER / VALUES / f"{noted[1]}.json").read_text(encoding="utf-8"))
