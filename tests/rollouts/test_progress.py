"""A long job says how far it is: seldom, and with numbers that follow from what is done."""

import logging

import pytest

from cotsieve.rollouts.progress import MOST, Progress


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def rows(problem: int, count: int, reason: str = "stop") -> list[dict]:
    return [{"problem_id": str(problem), "finish_reason": reason}] * count


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "cotsieve")
    return caplog


def test_a_problem_is_done_with_its_last_row(log):
    clock = Clock()
    progress = Progress(clock)
    progress.expect({"0": 3, "1": 3})
    progress.expect({"2": 3, "3": 3})
    progress.add(rows(0, 3) + rows(1, 2))
    clock.seconds = 10.0
    progress.add(rows(2, 1, "failed"))
    assert log.messages == ["1 of 4 problems done, 0.1 problems/s, 10 s left, 1 rows failed"]


def test_short_jobs_say_nothing_and_long_ones_little(log):
    clock = Clock()
    progress = Progress(clock)
    progress.expect({str(problem): 1 for problem in range(3600)})
    for problem in range(3600):
        clock.seconds = float(problem + 1)
        progress.add(rows(problem, 1))
        if problem == 3:
            assert not log.messages
    assert 3600 / MOST < len(log.messages) < 3600 / MOST + 10
    assert not log.messages[-1].startswith("3600 of 3600")  # the job says itself that it is done
