"""Results that were damaged after they were written: noticed when the workflow is planned.

Every table carries a checksum of its content; of JSON files it is seen whether they are whole. A
file is read once, and again only when its size or time changed. A damaged one raises the number of
times this has happened to it, and that number is a param of the rule that makes it, so Snakemake
makes it again; the file itself is left alone.
"""

import hashlib
import json
import logging
from contextlib import suppress
from pathlib import Path

from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.files import CACHE, remember

log = logging.getLogger(__name__)


class Integrity:
    """What is known of the result files of one study."""

    def __init__(self, results: str | Path):
        """`results` is the study's folder."""
        self._damaged = Path(results) / "damaged"
        name = hashlib.sha256(str(Path(results).resolve()).encode()).hexdigest()[:32]
        self._note = CACHE / "intact" / f"{name}.json"
        self._intact: dict[str, list[int]] = _loaded(self._note)

    def times_damaged(self, path: str | Path) -> int:
        """How often the table or JSON file at `path` was found damaged; 0 for any other file."""
        path = Path(path)
        counter = self._damaged / f"{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.json"
        before = _loaded(counter)
        with suppress(FileNotFoundError):
            stamp = _stamp(path)
            known = stamp in (self._intact.get(str(path)), before.get("stamp"))
            if path.suffix in (".parquet", ".json") and not known:
                before = self._look(path, stamp, before, counter)
        return before.get("times", 0)

    def save(self) -> None:
        """Remember what was found sound, so that it need not be read again."""
        with suppress(OSError):  # a read-only cache costs time, nothing else
            remember(self._note, self._intact)

    def _look(self, path: Path, stamp: list[int], before: dict, counter: Path) -> dict:
        try:
            _check(path)
        except BadInput as error:
            log.warning("%s (it will be made again)", error.findings[0])
            after = {"path": str(path), "times": before.get("times", 0) + 1, "stamp": stamp}
            with suppress(OSError):  # a read-only folder: the run itself will say so
                remember(counter, after)
            return after
        self._intact[str(path)] = stamp
        return before


def _check(path: Path) -> None:
    """Raise BadInput when a file is damaged."""
    if path.suffix == ".parquet":
        tables.check(path)
        return
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise bad(path, f"it is not whole ({error})", f"Delete it: rm '{path}'") from None


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _loaded(path: Path) -> dict:
    with suppress(OSError, ValueError):
        note = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(note, dict):
            return note
    return {}
