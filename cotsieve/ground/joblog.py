"""Send a job's messages, and the exception that ends it, to the rule's log and the terminal."""

import contextlib
import errno
import functools
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput
from cotsieve.ground.stopping import before_the_end, stop_when_told, stop_with_parent

STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

STOPPED = "stopped by a signal; what was finished is kept for the next run"


@contextlib.contextmanager
def logging_to(path: str | Path) -> Iterator[logging.Logger]:
    """Log to `path` and to stderr; bad input ends the job with its findings, not a traceback."""
    logger = logging.getLogger("cotsieve")
    logger.setLevel(logging.INFO)
    handlers = _handlers(Path(path))
    for handler in handlers:
        logger.addHandler(handler)
    stop_when_told()
    stop_with_parent()
    told, started = functools.partial(logger.warning, STOPPED), time.perf_counter()
    try:
        with before_the_end(told):
            yield logger
        _tell(handlers[0], f"took {time.perf_counter() - started:.1f} s")
    except BadInput as error:
        for finding in error.findings:
            logger.error("%s", finding)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.warning(STOPPED)
        sys.exit(130)
    except OSError as error:
        if error.errno not in STORAGE:
            logger.exception("the job stopped")
            raise
        logger.error("%s. Free space or make the folder writable, and run again.", error)
        sys.exit(1)
    except BaseException:
        logger.exception("the job stopped")
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            with contextlib.suppress(OSError):  # a full disk
                handler.close()


def _tell(handler: logging.Handler, words: str) -> None:
    """A line for one place alone."""
    handler.handle(logging.LogRecord("cotsieve", logging.INFO, "", 0, words, (), None))


def _handlers(path: Path) -> list[logging.Handler]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        print(f"{path}: the log cannot be written ({error.strerror})", file=sys.stderr)
        return [_terminal(path)]
    file.handleError = lambda record: None  # a full disk must not bury what the terminal shows
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return [file, _terminal(path)]


def _terminal(path: Path) -> logging.Handler:
    """Jobs share the terminal, so there every line names its job: rule, model, sweep, shard."""
    parts = path.with_suffix("").parts
    job = " ".join(parts[parts.index("logs") + 1 :] if "logs" in parts else parts[-1:])
    handler = logging.StreamHandler()
    told = f"%(asctime)s %(levelname)s {job.replace('%', '%%')}: %(message)s"
    handler.setFormatter(logging.Formatter(told, "%H:%M:%S"))
    return handler


def duration(seconds: float) -> str:
    """`12 s`, `7 min`, `3.5 h`: the unit that keeps the number short; less than 1 s is 1 s."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
