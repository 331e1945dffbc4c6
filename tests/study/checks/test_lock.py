"""One run at a time per study; a lock never outlives the run that took it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.study.checks import lock
from cotsieve.study.checks.lock import lock_study, unlock_study

HOLD = (
    "import sys; from cotsieve.study.checks.lock import lock_study as l; f = l(sys.argv[1]); "
    "print(1)"
)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen:
    """Another process that has the lock."""
    command = [sys.executable, "-c", f"{HOLD}; sys.stdout.flush(); input()", str(tmp_path)]
    root = Path(__file__).resolve().parents[3]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:
        assert process.stdout.readline() == "1\n"
        yield process
        process.kill()


def test_a_second_run_is_told_who_has_the_study(holder, tmp_path):
    with pytest.raises(BadInput) as caught:
        lock_study(tmp_path)
    message = str(caught.value)
    assert f"another run of this study is going on (process {holder.pid} on " in message
    assert f"end it: kill {holder.pid} on that host." in message


def test_a_killed_run_leaves_no_lock(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    unlock_study(lock_study(tmp_path))


def test_other_studies_are_free(holder, tmp_path):
    assert lock_study(tmp_path / "other")


def test_a_lock_is_given_back(tmp_path):
    unlock_study(lock_study(tmp_path))
    unlock_study(lock_study(tmp_path))
    assert (tmp_path / ".lock").read_text() == ""


def unsupported(*_: object) -> None:
    raise OSError(95, "Operation not supported")


HOLDERS: dict[str, tuple[Callable[[dict], dict], bool]] = {
    # what stands in the note → whether the study is free
    "nothing": (lambda note: {}, True),
    "no note": (lambda note: {"what": 1}, True),
    "a living process": (lambda note: note, False),
    "a dead process": (lambda note: note | {"process": 2**22 + 1}, True),
    "another host": (lambda note: note | {"host": "elsewhere", "process": 2**22 + 1}, False),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_without_file_locks_the_note_decides(case, tmp_path, monkeypatch):
    change, free = HOLDERS[case]
    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    (tmp_path / ".lock").write_text(json.dumps(change(lock._this_run())))
    if free:
        assert lock_study(tmp_path)
        return
    with pytest.raises(BadInput, match=f"If it has ended already: rm '{tmp_path}/.lock'"):
        lock_study(tmp_path)


def test_a_folder_that_cannot_be_made_is_left_to_others_to_tell(tmp_path):
    (tmp_path / "file").write_text("")
    assert lock_study(tmp_path / "file" / "study") is None
