"""Calls on foreign data, each in a process of its own under limits of time and memory.

Patterns, templates and pickles that came with a model can loop, allocate or crash without end, in
code that no exception of Python stops. What they do to a fork is told, and nothing else is lost.
"""

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
from collections.abc import Callable
from typing import Any

from cotsieve.ground.faults import BadInput, Finding

SECONDS = 5
"""Of a processor, for one call."""
MEMORY = 2**30
"""Bytes of data for one call, beside what the process has already."""
PATIENCE = 4
"""Seconds of waiting per processor second, for a machine that is busy with other things."""


class OutOfBounds(Exception):
    """The call took more time or memory than it may, or brought its process down; says which."""


class Failed(Exception):
    """The call raised an exception; says which."""


def confined(
    call: Callable[[], Any],
    seconds: int = SECONDS,
    memory: int = MEMORY,
    patience: int = PATIENCE,
) -> Any:
    """What `call` returns, as JSON carries it, computed in a fork of this process.

    `seconds` of a processor and `memory` bytes are its limits. What it prints is dropped. Raises
    BadInput where the call does, else OutOfBounds or Failed.
    """
    told, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        _answer_and_exit(call, seconds, memory, report)
    os.close(report)
    said = _heard(told, child, seconds * patience)
    _, status = os.waitpid(child, 0)
    answer = json.loads(said) if said else {"ended": _ending(status, seconds, memory)}
    if "findings" in answer:
        raise BadInput(Finding(*finding) for finding in answer["findings"])
    if "ended" in answer:
        raise OutOfBounds(answer["ended"])
    if "failed" in answer:
        raise Failed(answer["failed"])
    return answer["value"]


def _heard(told: int, child: int, patience: float) -> bytes:
    """All that the child says; it is killed when it has said nothing for so many seconds."""
    with open(told, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], patience)
        if not ready:
            os.kill(child, signal.SIGKILL)
        return pipe.read()


def _answer_and_exit(call: Callable[[], Any], seconds: int, memory: int, report: int) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        faulthandler.disable()
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, seconds)
        _limit(resource.RLIMIT_DATA, _in_use() + memory)
        answer = json.dumps({"value": call()})
    except MemoryError:
        answer = json.dumps({"ended": _too_much(seconds, memory)})
    except BadInput as error:
        answer = json.dumps({"findings": error.findings})
    except BaseException as error:  # whatever it is, it is told, and the fork ends here
        answer = json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]})
    with contextlib.suppress(OSError), open(report, "wb") as pipe:
        pipe.write(answer.encode())
    os._exit(0)


def _ending(status: int, seconds: int, memory: int) -> str:
    """Why a process ended without an answer, from its status."""
    by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if by in (signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT):  # libraries abort without memory
        return _too_much(seconds, memory)
    name = signal.Signals(by).name if by else f"status {os.waitstatus_to_exitcode(status)}"
    return f"it brings its process down ({name})"


def _too_much(seconds: int, memory: int) -> str:
    return f"it takes more than {seconds} seconds or {memory / 2**30:g} GiB"


def _in_use() -> int:
    """Bytes of data of this process; where nobody tells, none."""
    with contextlib.suppress(OSError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[5]) * resource.getpagesize()
    return 0


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):  # not every system knows every limit
        resource.setrlimit(what, (most, hard))
