"""Send a job's messages, and the exception that ends it, to the rule's log and the terminal."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput


@contextlib.contextmanager
def logging_to(path: str | Path) -> Iterator[logging.Logger]:
    """Log to `path` and to stderr; bad input ends the job with its findings, not a traceback."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("cotsieve")
    logger.setLevel(logging.INFO)
    handlers = [logging.FileHandler(path, mode="w", encoding="utf-8"), logging.StreamHandler()]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
    try:
        yield logger
    except BadInput as error:
        for finding in error.findings:
            logger.error("%s", finding)
        sys.exit(1)
    except BaseException:
        logger.exception("the job stopped")
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
