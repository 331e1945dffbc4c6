"""One run at a time per study, without locks that outlive the run that took them.

Snakemake's own locks outlive a killed run, and a run that ends removes those of every other study
in the directory; `profiles/default` turns them off. The kernel drops this one with its process.
"""

import contextlib
import fcntl
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.files import is_running


def lock_study(folder: str | Path) -> IO[str] | None:
    """Lock a study's results folder until the file returned is closed, or this process ends.

    None where nothing can be written there. Raises BadInput when another run has the lock, with
    what is known of it and how to end it.
    """
    path = Path(folder) / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(path, _note(file), sure=True) from None
    except OSError:  # a file system without locks: then only the note can tell
        holder = _note(file)
        if holder and not _is_gone(holder):
            raise _refusal(path, holder, sure=False) from None
    with contextlib.suppress(OSError):  # a full disk; the lock itself holds
        file.truncate(0)
        file.write(json.dumps(_this_run()))
        file.flush()
    return file


def unlock_study(file: IO[str] | None) -> None:
    """Give back what `lock_study` gave."""
    for act in (lambda: file.truncate(0), lambda: file.close()) if file else ():
        with contextlib.suppress(OSError):  # a full disk
            act()


def _this_run() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now().isoformat(" ", "seconds"),
        "command": " ".join(["snakemake", *sys.argv[1:]]),
    }


def _note(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    with contextlib.suppress(ValueError):
        note = json.loads(file.read())
        if isinstance(note, dict) and _this_run().keys() <= note.keys():
            return note
    return {}


def _is_gone(holder: dict[str, Any]) -> bool:
    return holder["host"] == socket.gethostname() and not is_running(holder["process"])


def _refusal(path: Path, holder: dict[str, Any], sure: bool) -> BadInput:
    what = "another run of this study is going on"
    mend = "Wait until it has ended."
    if holder:
        what += (
            f" (process {holder['process']} on {holder['host']}, since {holder['since']}: "
            f"{holder['command']})"
        )
        mend = f"Wait until it has ended, or end it: kill {holder['process']} on that host."
    if not sure:
        mend += f" If it has ended already: rm '{path}'"
    return bad(path.parent, what, mend)
