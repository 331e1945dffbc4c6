"""How a job ends early: when it is told to, and when the process that started it is gone."""

import contextlib
import ctypes
import os
import signal
from types import FrameType

_DEATH_OF_PARENT = 1
"""Linux's number for "send me this signal when my parent dies" (prctl, PR_SET_PDEATHSIG)."""


def stop_when_told() -> None:
    """Make SIGTERM end this process by an exception, so that finished work can still be written.

    Batch systems send it some seconds before they kill. The exit code is 143, as of a process that
    the signal ended.
    """
    signal.signal(signal.SIGTERM, _stop)


def stop_with_parent() -> None:
    """Have the kernel send SIGTERM when the process that started this one is killed.

    Otherwise a job goes on unseen beside the one that the next run starts. Only Linux can do it;
    elsewhere nothing happens.
    """
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, signal.SIGTERM)
    if os.getppid() != parent:  # it died meanwhile
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows is tidying up
    raise SystemExit(128 + number)
