"""The frame of a job: what is kept is not made again, and one load serves many shards."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import Ahead, Missing, run_shard
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

RECIPE = Recipe({"baseline": None, "zero": {"operation": "zero"}}, {"decoding": {}}, None)


class Maker:
    """Stands for a model: counts how often it is loaded and what it is asked for."""

    def __init__(self, fails_after: int | None = None):
        self.loads = 0
        self.made: list[tuple[str, str]] = []
        self.fails_after = fails_after

    def __call__(self, missing: Missing) -> Iterator[list[dict]]:
        self.loads += 1
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


def shard(first: int) -> list[Problem]:
    return [
        Problem(f"p{i}", "s", i, f"question {i}", None, "42", 1, "2-step")
        for i in range(first, first + 3)
    ]


def kept(folder: Path, problems: list[Problem]) -> KeptRows:
    rows = [problem.row for problem in problems]
    return KeptRows(folder / "kept", "main", rows, most_problems=1, most_seconds=60)


def run(folder: Path, first: int, maker: Maker, ahead: tuple[int, ...] = ()) -> list[tuple]:
    problems, output = shard(first), folder / f"{first}.parquet"
    others = (Ahead(shard(other), kept(folder, shard(other))) for other in ahead)
    run_shard(
        output,
        problems=problems,
        recipe=RECIPE,
        samples=1,
        kept=kept(folder, problems),
        make=maker,
        ahead=others,
    )
    table = tables.read(output, ROLLOUTS)
    return list(zip(table["problem_id"].to_pylist(), table["condition"].to_pylist(), strict=True))


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
