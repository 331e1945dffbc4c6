"""How many rows were edited is told where the table of problems is from that time only."""

import json
from pathlib import Path

import pytest
from studies import changed

from cotsieve.demo.stories import make_sample
from cotsieve.ground.tables import write
from cotsieve.problems.problem import PROBLEMS, problems_table
from cotsieve.study.checks.explain import EditedRows
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

TABLE = Path("problems.parquet")


def plan_of(rows: list[dict], **changes) -> Plan:
    Path("problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = changed("engine", {"shard_size": 5} | changes)
    return Plan(read_study(study))


@pytest.fixture
def rows(tmp_path: Path, monkeypatch) -> list[dict]:
    """Twelve rows, of which the table of problems was written."""
    monkeypatch.chdir(tmp_path)
    rows = [problem.record() for problem in make_sample(12, 1)]
    write(problems_table(plan_of(rows).candidates()), TABLE, PROBLEMS, {})
    return rows


def test_edited_rows_are_counted(rows):
    before = {shard.name: shard.prompts for shard in plan_of(rows).shards}
    for row in (5, 9, 11):
        rows[row]["question"] += " So?"
    edited = EditedRows(plan_of(rows), TABLE)
    found = {name: edited.count(name, digest) for name, digest in before.items()}
    assert found == {"toy/0000": 0, "toy/0001": 2, "toy/0002": 1}


def test_nothing_is_told_of_another_time(rows):
    first = plan_of(rows)
    before = first.shards[1].prompts
    rows[5]["question"] = "Another?"
    second = plan_of(rows)
    assert EditedRows(second, Path("gone.parquet")).count("toy/0001", before) is None
    assert EditedRows(second, TABLE).count("toy/0009", before) is None
    assert EditedRows(plan_of(rows, shard_size=6), TABLE).count("toy/0001", before) is None
    write(problems_table(second.candidates()), TABLE, PROBLEMS, {})
    assert EditedRows(second, TABLE).count("toy/0001", before) is None
