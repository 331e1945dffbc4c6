"""What foreign data does to a process stays in that process, and is told in one line."""

import os
import signal
import time

import pytest

from cotsieve.ground.confined import Failed, OutOfBounds, confined
from cotsieve.ground.faults import BadInput, bad


def test_what_a_call_returns_comes_back():
    here = os.getpid()
    assert confined(lambda: {"own": os.getpid() != here, "text": "ä\ud800"}) == {
        "own": True,
        "text": "ä\ud800",
    }
    assert len(confined(lambda: "x" * 10**6)) == 10**6


def test_bad_input_comes_back_as_itself():
    def refuse():
        raise bad("file: key", "is wrong", "Mend it.")

    with pytest.raises(BadInput, match=r"file: key: is wrong\. Mend it\."):
        confined(refuse)


def endless():
    while True:
        pass


def asleep():
    time.sleep(60)


def hungry():
    return len(bytearray(2**31))


def crashed():
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    "call, told",
    [
        (endless, "more than 1 seconds or 0.5 GiB"),
        (asleep, "more than 1 seconds or 0.5 GiB"),
        (hungry, "more than 1 seconds or 0.5 GiB"),
        (os.abort, "more than 1 seconds or 0.5 GiB"),
        (crashed, "brings its process down (SIGSEGV)"),
        (lambda: os._exit(3), "brings its process down (status 3)"),
    ],
)
def test_what_has_no_end_is_ended(call, told):
    start = time.monotonic()
    with pytest.raises(OutOfBounds) as caught:
        confined(call, seconds=1, memory=2**29, patience=1)
    assert told in str(caught.value) and time.monotonic() - start < 40


@pytest.mark.parametrize("error", [ValueError("so"), SystemExit("so"), RecursionError("so")])
def test_other_errors_are_told(error, capfd):
    def fail():
        os.write(1, b"said")
        raise error

    with pytest.raises(Failed, match=f"{type(error).__name__}: so"):
        confined(fail)
    assert capfd.readouterr() == ("", "")
