"""What a job uses is what was planned: its code, the files that decide it, and the tables it reads.

The plan tells a job digests of all of them. They are compared before it starts. Until it ends none
of them may be touched, which shows in the times of a file even where it was changed and set back;
that is asked before any file of the job appears.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cotsieve.ground.checkout import ROOT, SHIPPED
from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.files import content_digest, digests_told, stamp_of
from cotsieve.ground.fingerprint import reached_files
from cotsieve.ground.parsed_code import PACKAGE
from cotsieve.ground.seeds import digest
from cotsieve.study.identity.records import FOLDER

PARAM = "identity"
"""Name of the param that tells a job its identity (`is`) and what it uses (`uses`)."""
SCRIPTS = "workflow/scripts"
TELLING = ("origin",)
"""Params that tell where tables come from; the job does not open what they name."""


class Used(NamedTuple):
    """What a job was planned with, as plain values."""

    script: str
    code: str
    """Digest of all code that the script reaches."""
    files: dict[str, str]
    """File of the user → SHA-256; of a folder a digest of the names in it."""
    tables: dict[str, tuple[str, str]]
    """Table that another job makes → the record of that job, and its identity."""

    def verified(self) -> "Unchanged":
        """Compare all of it with what is there; what is to be asked until the job ends.

        Raises BadInput for anything that is another.
        """
        stamps = {path: stamp_of(path) for path in _existing([*self.files, *self.tables])}
        for path, planned in self.files.items():
            if path not in stamps or _content(path) != planned:
                raise changed(path)
        for path, (record, identity) in self.tables.items():
            if not _is_table_of(path, record, identity):
                raise changed(path)
        code: dict[str, str] = {}
        with suppress(SyntaxError, OSError, BadInput):  # as while it is being edited
            code = reached_files(self.script, SHIPPED)
        if digest(code) != self.code or self._changed_at_start(code):
            raise changed(f"{SHIPPED / self.script} and the code it uses")
        return Unchanged(stamps | {name: stamp_of(name) for name in map(_place, code)})

    def _changed_at_start(self, code: Iterable[str]) -> bool:
        """Whether a file changed while this process began, and so imported it."""
        began, now = _began(), time.time()
        changes = (os.stat(_place(name)).st_ctime for name in code)
        return any(began <= change <= now for change in changes)


class Unchanged:
    """Files that must not be touched while a job runs."""

    def __init__(self, stamps: Mapping[str, list[int]]):
        self._stamps = stamps

    def ask(self) -> None:
        """Raise BadInput when one was."""
        for path, stamp in self._stamps.items():
            with suppress(OSError):
                if stamp_of(path) == stamp:
                    continue
            raise changed(path)


def changed(what: object) -> BadInput:
    """The exception for something that is not what was planned."""
    return bad(what, "changed while the workflow ran", "Run it again.")


def code_of_scripts(root: Path) -> dict[str, str]:
    """Path of a script → digest of all code that it reaches, whatever else tells of its effect."""
    paths = sorted((root / SCRIPTS).glob("*.py"))
    names = [path.relative_to(root).as_posix() for path in paths]
    return {name: digest(reached_files(name, root)) for name in names}


def told_files(params: Mapping[str, Any], given: Iterable[str]) -> dict[str, str]:
    """The files that decide a job → SHA-256 as the plan saw it.

    They are those whose digest its params tell, and those that it is `given`, of whose folders all
    files count.
    """
    told = digests_told()
    decide = [value for name, value in params.items() if name not in TELLING]
    values = set(_texts(decide))
    files = {path: sha256 for path, sha256 in told.items() if sha256 in values}
    for path in given:
        inside = {file: sha256 for file, sha256 in told.items() if file.startswith(f"{path}/")}
        files |= inside | {path: told.get(path) or _content(path)}
    return files


def _content(path: str) -> str:
    """SHA-256 of a file, and of a folder a digest of the names in it."""
    if not os.path.isdir(path):
        return content_digest(path)
    return digest(sorted(str(file.relative_to(path)) for file in Path(path).rglob("*")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]


def _is_table_of(path: str, record: str, identity: str) -> bool:
    """Whether a table is the one its record tells of, and that is of the job that was planned."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        told = json.loads(Path(record).read_text(encoding="utf-8"))
        name = os.path.relpath(path, record.partition(f"/{FOLDER}/")[0])
        return told["identity"] == identity and told["files"][name] == content_digest(path)
    return False


def _place(name: str) -> str:
    """Where a file of the package or of its workflow lies."""
    return f"{ROOT if name.startswith(f'{PACKAGE}/') else SHIPPED}/{name}"


def _began() -> float:
    """When this process began, by the clock as it is set now; only Linux tells."""
    with suppress(OSError, AttributeError, ValueError):
        after_boot = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - after_boot / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    return float("inf")
