"""How far a job is, told in its log and in the terminal while it runs."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cotsieve.ground.joblog import duration

log = logging.getLogger(__name__)

FIRST, MOST = 5.0, 60.0
"""Seconds to the first line, and the most between two; the pauses double, so logs stay short."""


class Progress:
    """Counts finished rows, and says now and then what is done and how long the rest will take."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._left: dict[str, int] = {}
        self._rows, self._all_rows = 0, 0
        self._problems, self._all_problems = 0, 0
        self._failed = 0
        self._now = now
        self._begun = now()
        self._pause = FIRST
        self._due = self._begun + FIRST

    def expect(self, wanted: Mapping[str, int]) -> None:
        """More is to be done. `wanted`: problem id → rows it is to get."""
        self._left |= wanted
        self._all_rows += sum(wanted.values())
        self._all_problems += len(wanted)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count finished rows of the rollouts table."""
        rows = list(rows)
        for problem_id, count in Counter(row["problem_id"] for row in rows).items():
            self._left[problem_id] -= count
            if not self._left[problem_id]:
                del self._left[problem_id]
                self._problems += 1
        self._rows += len(rows)
        self._failed += sum(row["finish_reason"] == "failed" for row in rows)
        if rows and self._now() >= self._due and self._rows < self._all_rows:
            log.info("%s", str(self))
            self._pause = min(2 * self._pause, MOST)
            self._due = self._now() + self._pause

    @property
    def rows(self) -> int:
        """Finished so far."""
        return self._rows

    def __str__(self) -> str:
        seconds = max(self._now() - self._begun, 1e-9)
        left = (self._all_rows - self._rows) * seconds / max(self._rows, 1)
        return (
            f"{self._problems} of {self._all_problems} problems done, "
            f"{self._problems / seconds:.3g} problems/s, {duration(left)} left, "
            f"{self._failed} rows failed"
        )


def rows_wanted(missing: Mapping[Sequence[Any], Sequence[Any]]) -> dict[str, int]:
    """Problem id → rows, of a mapping from (condition, sample) pairs to problems."""
    return {
        problem.problem_id: len(pairs)
        for pairs, problems in missing.items()
        for problem in problems
    }
