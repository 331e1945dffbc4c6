"""The table of a shard that another job made is taken as it is, cheaply, if it is the right one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_job import RECIPE, Maker, shard

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.finished import Finished
from cotsieve.rollouts.job import run_shard
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.stretches import Ahead, Missing

NAMES = SimpleNamespace(study="s", model="m")
TOLD = {"decoding": {}, "identity": "a"}


def finished(first: int, **changes: object) -> Finished:
    return Finished.of(NAMES, TOLD | changes, "main", f"made/{first:04d}", {"problems": first})


def kept(problems: list[Problem], note: bool = True) -> KeptRows:
    first = problems[0].row
    return KeptRows(
        "results/s/kept/m/made",
        "main",
        [problem.row for problem in problems],
        most_problems=1,
        most_seconds=60,
        finished=finished(first) if note else None,
    )


def run(first: int, maker: Maker, ahead: tuple[int, ...] = (), note: bool = True) -> bytes:
    output = Path(f"{first}.parquet")
    run_shard(
        output,
        problems=shard(first),
        recipe=RECIPE,
        samples=1,
        kept=kept(shard(first), note),
        make=maker,
        held_rows=99,
        ahead=[Ahead(shard(other), kept(shard(other))) for other in ahead],
    )
    return output.read_bytes()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_is_the_one_its_own_job_would_write() -> None:
    run(0, Maker(), ahead=(3, 6))
    assert finished(6).taken_to("taken.parquet")
    assert Path("taken.parquet").read_bytes() == run(6, Maker(), note=False)
    assert finished(6, identity={"identity": "b"}).is_noted(), "told of every shard anew"


@pytest.mark.parametrize(
    "changes",
    [{"decoding": {"decoding": {"seed": 1}}}, {"code": {"code": {"a.py": "1"}}}],
    ids=["another setting", "other code"],
)
def test_a_table_of_another_job_is_not_taken(changes: dict[str, object]) -> None:
    run(0, Maker(), ahead=(3,))
    assert not finished(3, **changes).is_noted()
    assert not finished(3, **changes).taken_to("taken.parquet")
    assert not Path("taken.parquet").exists()


def test_a_damaged_table_is_not_taken() -> None:
    run(0, Maker(), ahead=(3,))
    table = kept(shard(3)).table
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    assert not finished(3).taken_to("taken.parquet")
    assert not Path("taken.parquet").exists()


class Failing(Maker):
    """Cannot make the rows of p4."""

    def __call__(self, missing: Missing) -> Iterator[list[dict]]:
        for rows in super().__call__(missing):
            bad = {"finish_reason": "failed"}
            yield [row | bad if row["problem_id"] == "p4" else row for row in rows]


def test_a_failed_row_gets_another_try() -> None:
    run(0, Failing(), ahead=(3, 6))
    assert [finished(first).is_noted() for first in (0, 3, 6)] == [True, False, True]
    maker = Maker()
    run(3, maker)
    assert {problem for problem, _ in maker.made} == {"p4"}
    assert finished(3).is_noted()


def test_taking_a_table_loads_nothing_heavy() -> None:
    code = (
        "import sys, cotsieve.ground.joblog, cotsieve.rollouts.finished as _; print(*sys.modules)"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, text=True, capture_output=True)
    assert not {"torch", "numpy", "pyarrow", "pydantic"} & set(told.stdout.split())
    assert "cotsieve.rollouts.finished" in told.stdout
