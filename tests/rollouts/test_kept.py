"""Finished rows outlive the job that made them, and are found by what determines them alone."""

import os
import signal
import threading
from pathlib import Path

import pytest

from cotsieve.ground import stopping, tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import run_shard
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

PROBLEMS = [Problem(f"p{i}", "toy", i, f"Question {i}?", None, "1", 2, "2-step") for i in range(6)]
IDENTITY = {"model": {"weights": "a"}, "decoding": {"max_new_tokens": 4}, "libraries": {"torch": 1}}
CONDITIONS = {"baseline": None, "zero": {"operation": "zero", "layer": "middle"}}


def recipe(**changes) -> Recipe:
    return Recipe(CONDITIONS, IDENTITY | changes, None)


def kept_rows(folder: Path, most_problems: int = 2) -> KeptRows:
    rows = [problem.row for problem in PROBLEMS]
    return KeptRows(folder / "kept", "main", rows, most_problems=most_problems, most_seconds=1e9)


def row(how: Recipe, problem: Problem, condition: str) -> dict:
    empty = dict.fromkeys(ROLLOUTS.names)
    return empty | {
        "problem_id": problem.problem_id,
        "condition": condition,
        "sample": 0,
        "text": f"{problem.question} {condition}",
        "finish_reason": "stop",
        "row_key": how.row_key(problem, condition),
    }


class Engine:
    """Makes rows, and remembers which; ends after `most` problems as told."""

    def __init__(self, how: Recipe, most: int = 99, ending: BaseException | None = None):
        self.how, self.most, self.ending = how, most, ending
        self.made: list[tuple[str, str]] = []

    def __call__(self, missing):
        for pairs, problems in missing.items():
            for problem in problems:
                if not self.most:
                    raise self.ending
                self.most -= 1
                self.made += [(problem.problem_id, condition) for condition, _ in pairs]
                yield [row(self.how, problem, condition) for condition, _ in pairs]


def make(folder: Path, engine: Engine, most_problems: int = 2) -> bytes:
    run_shard(
        folder / "shard.parquet",
        problems=PROBLEMS,
        recipe=engine.how,
        samples=1,
        kept=kept_rows(folder, most_problems),
        make=engine,
        held_rows=99,
    )
    return (folder / "shard.parquet").read_bytes()


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), RuntimeError("cuda")])
@pytest.mark.parametrize("done", [1, 3, 5])
def test_every_finished_row_is_kept_whatever_ends_the_job(ending, done, tmp_path):
    whole = make(tmp_path / "undisturbed", Engine(recipe()))
    first, second = Engine(recipe(), done, ending), Engine(recipe())
    with pytest.raises(type(ending)):
        make(tmp_path, first, most_problems=4)
    assert make(tmp_path, second) == whole
    assert len(first.made) == 2 * done and len(second.made) == 2 * (6 - done)
    assert not set(first.made) & set(second.made)
    assert not list((tmp_path / "kept").glob("*.parts"))


class Terminated(Engine):
    """Is told to stop after `most` problems."""

    def __call__(self, missing):
        for rows in super().__call__(missing):
            yield rows
            if not self.most:
                os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_writes_what_is_finished_before_the_process_ends(tmp_path, monkeypatch):
    left = []

    def ended(code: int) -> None:
        parts = (tmp_path / "kept").glob("*.parts/*.parquet")
        left.extend([code, sum(tables.read(path).num_rows for path in parts)])
        raise SystemExit(code)

    monkeypatch.setattr(stopping.os, "_exit", ended)
    before = signal.getsignal(signal.SIGTERM)
    stopping.stop_when_told()
    try:
        with pytest.raises(SystemExit):
            make(tmp_path, Terminated(recipe(), 3), most_problems=50)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, before)
    assert left == [143, 6]


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"weights": "b"}},
        {"decoding": {"max_new_tokens": 5}},
        {"libraries": {"torch": 2}},
        {"engine": {"generate.py": "1"}},
    ],
)
def test_rows_made_under_other_settings_are_never_taken(change, tmp_path):
    with pytest.raises(RuntimeError):
        make(tmp_path, Engine(recipe(), 5, RuntimeError()))
    engine = Engine(recipe(**change))
    make(tmp_path, engine)
    assert len(engine.made) == 12


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "not a table"])
def test_a_damaged_part_is_dropped_and_its_rows_are_made_again(damage, tmp_path, caplog):
    with pytest.raises(RuntimeError):
        make(tmp_path, Engine(recipe(), 5, RuntimeError()))
    part = sorted((tmp_path / "kept").rglob("*.parquet"))[0]
    data = part.read_bytes()
    middle = len(data) // 2
    part.write_bytes(
        {
            "cut": data[:-9],
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "emptied": b"",
            "not a table": b"PAR1" * 20,
        }[damage]
    )
    engine = Engine(recipe())
    assert make(tmp_path, engine) == make(tmp_path / "undisturbed", Engine(recipe()))
    if damage != "flipped" or len(engine.made) > 2:  # some bits of a file mean nothing
        assert len(engine.made) == 2 * (1 + 2)
        assert str(part) in caplog.text and "made again" in caplog.text
        assert "Delete" not in caplog.text, "it is gone already"


def test_two_processes_on_one_shard_wait_for_each_other(tmp_path):
    order = []

    def second() -> None:
        with kept_rows(tmp_path).alone():
            order.append("second")

    first = kept_rows(tmp_path)
    thread = threading.Thread(target=second)
    with first.alone():
        thread.start()
        thread.join(0.3)
        order.append("first")
        first.finish(make_table(tmp_path), 0, 0, 0)
    thread.join(10)
    assert order == ["first", "second"]


def make_table(folder: Path) -> Path:
    make(folder / "other", Engine(recipe()))
    return folder / "other" / "shard.parquet"
