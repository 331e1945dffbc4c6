"""How a job ends early: when it is told to, and when the process that started it is gone."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_DEATH_OF_PARENT = 1
"""Linux's number for "send me this signal when my parent dies" (prctl, PR_SET_PDEATHSIG)."""

GRACE = 15
"""Seconds the last acts may take. One may wait in vain for what the code it interrupts was at, such
as the first import of a library; then the kernel ends the process."""

_last_acts: list[Callable[[], object]] = []


def stop_when_told() -> None:
    """Make SIGTERM end this process, after its last acts, with exit code 143.

    Batch systems send it some seconds before they kill. No exception is raised: one that comes
    while a library is loaded is taken for a failure of that library, and may be swallowed.
    """
    signal.signal(signal.SIGTERM, _stop)


@contextlib.contextmanager
def before_the_end(act: Callable[[], object]) -> Iterator[None]:
    """Inside the block, do this when SIGTERM ends the process; the last one named comes first."""
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


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
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(GRACE)
    for act in reversed(_last_acts):
        with contextlib.suppress(Exception):  # such as a full disk; the others still come
            act()
    os._exit(128 + number)
