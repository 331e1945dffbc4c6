"""A job that is told to stop, or whose run is killed, still writes what it has finished."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import time
from cotsieve.ground.joblog import logging_to
from cotsieve.ground.stopping import before_the_end
def write():
    with open("finished", "w") as file:
        file.write("rows")
def fail():
    raise OSError("no room")
with logging_to("job.log"), before_the_end(write), before_the_end(fail):
    print("ready", flush=True)
    while True:
        try:
            time.sleep(60)
        except BaseException:  # as a library might that is being loaded
            pass
"""
RUN = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def started(*command: str, folder: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_job_that_is_terminated_finishes_writing(tmp_path):
    process = started(JOB, folder=tmp_path)
    process.terminate()
    _, told = process.communicate(timeout=300)
    assert process.returncode == 143
    assert (tmp_path / "finished").read_text() == "rows"
    assert "stopped by a signal" in told and "Traceback" not in told
    assert "stopped by a signal" in (tmp_path / "job.log").read_text()


HALF = """
import time
from cotsieve.ground.files import appearing
from cotsieve.ground.stopping import stop_when_told
stop_when_told()
with appearing("whole") as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_file_that_is_being_written_does_not_stay_behind(tmp_path):
    job = started(HALF, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    job.terminate()
    job.communicate(timeout=300)
    assert job.returncode == 143
    assert not list(tmp_path.iterdir())


def test_a_last_act_that_waits_in_vain_does_not_keep_the_job(tmp_path):
    """As one does that needs a lock of the code it interrupted."""
    vain = "from cotsieve.ground import stopping\nstopping.GRACE = 1\n" + JOB.replace(
        'raise OSError("no room")', "__import__('threading').Event().wait()"
    )
    process = started(vain, folder=tmp_path)
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGALRM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_job_ends_with_the_run_that_started_it(tmp_path):
    process = started(RUN, JOB, folder=tmp_path)
    process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 300
    while not (tmp_path / "finished").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", [28, 30])
def test_a_full_or_read_only_disk_is_told_in_a_line(number, tmp_path):
    head, _, _ = JOB.partition("    while")
    code = f"{head}    raise OSError({number}, 'No room', 'table.parquet')"
    process = started(code, folder=tmp_path)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "table.parquet'. Free space or make the folder writable, and run again." in told
    assert "Traceback" not in told
