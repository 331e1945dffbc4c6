"""The frame of a job: what is kept is not made again, and one load serves many shards."""

import contextlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts import table
from cotsieve.rollouts.job import run_shard
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.rollouts.stretches import Ahead, Missing

RECIPE = Recipe({"baseline": None, "zero": {"operation": "zero"}}, {"decoding": {}}, None)


class Maker:
    """Stands for a model: counts how often it is loaded and what it is asked for."""

    def __init__(self, fails_after: int | None = None):
        self.loads = 0
        self.made: list[tuple[str, str]] = []
        self.asked: list[int] = []
        self.fails_after = fails_after

    def __call__(self, missing: Missing) -> Iterator[list[dict]]:
        self.loads += 1
        self.asked.append(sum(len(pairs) * len(problems) for pairs, problems in missing.items()))
        for pairs, problems in missing.items():
            for problem in problems:
                if self.fails_after == len(self.made):
                    raise KeyboardInterrupt
                rows = [self._row(problem, name, sample) for name, sample in pairs]
                self.made += [(row["problem_id"], row["condition"]) for row in rows]
                yield rows

    @staticmethod
    def _row(problem: Problem, condition: str, sample: int) -> dict:
        row = dict.fromkeys(ROLLOUTS.names)
        key = RECIPE.row_key(problem, condition, sample)
        known = {"problem_id": problem.problem_id, "condition": condition, "sample": sample}
        return row | known | {"text": "42", "finish_reason": "stop", "row_key": key}


def shard(first: int, count: int = 3) -> list[Problem]:
    return [
        Problem(f"p{i}", "s", i, f"question {i}", None, "42", 1, "2-step")
        for i in range(first, first + count)
    ]


def kept(folder: Path, problems: list[Problem]) -> KeptRows:
    rows = [problem.row for problem in problems]
    return KeptRows(folder / "kept", "main", rows, most_problems=1, most_seconds=60)


def run(
    folder: Path,
    first: int,
    maker: Maker,
    ahead: tuple[int, ...] = (),
    held: int = 99,
    count: int = 3,
) -> list[tuple]:
    problems, output = shard(first, count), folder / f"{first}.parquet"
    others = (Ahead(shard(other), kept(folder, shard(other))) for other in ahead)
    run_shard(
        output,
        problems=problems,
        recipe=RECIPE,
        samples=1,
        kept=kept(folder, problems),
        make=maker,
        held_rows=held,
        ahead=others,
    )
    rows = tables.read(output, ROLLOUTS)
    return list(zip(rows["problem_id"].to_pylist(), rows["condition"].to_pylist(), strict=True))


def test_one_load_makes_the_rows_of_many_shards(tmp_path: Path) -> None:
    maker = Maker()
    run(tmp_path, 0, maker, ahead=(3, 6))
    assert len(maker.made) == 18
    for first in (3, 6):
        assert len(run(tmp_path, first, maker)) == 6
    assert maker.loads == 1


def test_a_stale_shard_alone_is_made(tmp_path: Path) -> None:
    run(tmp_path, 0, Maker(), ahead=(3, 6))
    maker = Maker()
    run(tmp_path, 9, maker, ahead=(0, 3, 6))
    assert {problem for problem, _ in maker.made} == {"p9", "p10", "p11"}


def test_a_shard_another_job_works_on_is_left_to_it(tmp_path: Path) -> None:
    maker = Maker()
    with kept(tmp_path, shard(3)).alone():
        run(tmp_path, 0, maker, ahead=(3,))
    assert {problem for problem, _ in maker.made} == {"p0", "p1", "p2"}


def test_a_job_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        run(tmp_path, 0, Maker(fails_after=4), ahead=(3,))
    maker = Maker()
    assert len(run(tmp_path, 0, maker)) == 6
    assert len(maker.made) == 2


@pytest.mark.parametrize("held", [1, 2, 4, 6, 99])
def test_what_is_held_at_once_changes_no_byte(tmp_path: Path, held: int) -> None:
    whole, maker = Maker(), Maker()
    run(tmp_path / "whole", 0, whole)
    run(tmp_path, 0, maker, held=held)
    assert (tmp_path / "0.parquet").read_bytes() == (tmp_path / "whole/0.parquet").read_bytes()
    assert sum(maker.asked) == 6 and max(maker.asked) <= max(held, 2), "a problem stays whole"


@pytest.mark.parametrize(("held", "asked"), [(6, [6, 6, 6]), (12, [12, 6]), (99, [18])])
def test_shards_are_worked_on_together_as_far_as_rows_are_held(
    tmp_path: Path, held: int, asked: list[int]
) -> None:
    maker = Maker()
    run(tmp_path, 0, maker, ahead=(3, 6), held=held)
    assert maker.asked == asked
    for first in (3, 6):
        assert len(run(tmp_path, first, maker, held=held)) == 6
    assert maker.asked == asked


def test_a_shard_larger_than_what_is_held_is_worked_on_in_parts(tmp_path: Path) -> None:
    whole, maker = Maker(), Maker()
    run(tmp_path / "whole", 3, whole)
    run(tmp_path, 0, maker, ahead=(3, 6), held=4)
    assert maker.asked == [4, 2, 4, 2, 4, 2]
    for first in (3, 6):
        assert len(run(tmp_path, first, maker, held=4)) == 6
    assert len(maker.asked) == 6
    assert (tmp_path / "3.parquet").read_bytes() == (tmp_path / "whole/3.parquet").read_bytes()


def test_a_job_stopped_in_a_later_part_makes_no_row_again(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        run(tmp_path, 0, Maker(fails_after=4), held=2)
    maker = Maker()
    assert len(run(tmp_path, 0, maker, held=2)) == 6
    assert maker.asked == [2]


class LongWriter(Maker):
    """Writes thousands of tokens per row, and looks how much memory rows take."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self.before = 0, []

    def __call__(self, missing: Missing) -> Iterator[list[dict]]:
        self.before.append(pa.total_allocated_bytes())
        for rows in super().__call__(missing):
            yield [row | {"token_ids": list(range(1000, 5000))} for row in rows]
            in_use = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
            self.most = max(self.most, in_use)


def test_memory_follows_the_rows_held_and_not_the_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "GROUP_ROWS", 4)
    held = 16 * 4000 * 4

    def most(folder: Path, count: int) -> int:
        maker, at_first = LongWriter(), pa.total_allocated_bytes()
        tracemalloc.start()
        run(folder, 0, maker, held=16, count=count)
        tracemalloc.stop()
        left = [in_use - at_first for in_use in maker.before]
        assert max(left) < held / 2, "rows of an earlier part stay in memory"
        return maker.most

    run(tmp_path / "warm", 0, LongWriter(), count=8)  # loads what converts rows
    small, large = most(tmp_path / "small", 16), most(tmp_path / "large", 80)
    assert small > held, "the rows held are seen"
    assert large < 1.5 * small
