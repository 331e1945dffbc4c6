"""Rows that are kept are not counted again, and time is told at the speed of earlier jobs."""

from pathlib import Path

import pytest

from cotsieve.demo.stories import make_sample, write_jsonl
from cotsieve.ground.tables import write
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS
from cotsieve.study.checks import work
from cotsieve.study.checks.work import PlannedJob, Work, told, work_of
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

ZERO = {"operation": "zero", "layer": "middle"}
TOLD = {
    "model": {"checkpoint": "a"},
    "decoding": {},
    "engine": ["code"],
    "libraries": {},
    "conditions": {BASELINE: None, "zero": ZERO},
    "reference problems": None,
}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch) -> Plan:
    """12 problems in 3 shards, one model, two sweeps that share their baseline."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(make_sample(12, 1), tmp_path / "problems.jsonl")
    late = {"operation": "zero", "layer": "late"}
    study = {
        "study": "toy",
        "sources": {"toy": {"path": "problems.jsonl"}},
        "models": {"tiny": {"checkpoint": "a", "base": "b", "lora": {"alpha": 1.0}}},
        "sweeps": {
            "main": {"conditions": {"zero": ZERO}},
            "more": {"conditions": {"late": late}},
        },
        "sieve": {"sweep": "main", "ablation": "zero"},
        "draw": {"total": 1},
        "engine": {"shard_size": 4},
    }
    return Plan(read_study(study))


def jobs(plan: Plan, sweep: str = "main", rule: str = "generate", **changes) -> list[PlannedJob]:
    told = TOLD | changes
    return [PlannedJob(rule, "tiny", sweep, shard.name, lambda: told) for shard in plan.shards]


def keep(plan: Plan, shard: int, conditions: tuple[str, ...], reason: str = "stop") -> None:
    recipe = Recipe(TOLD["conditions"], {name: TOLD[name] for name in work.DECIDES}, None)
    held = list(plan.held(plan.shards[shard]))
    empty = dict.fromkeys(ROLLOUTS.names)
    rows = [
        empty | {"row_key": recipe.row_key(problem, condition), "finish_reason": reason}
        for problem in held
        for condition in conditions
    ]
    name = f"{held[0].row:08d}-{held[-1].row:08d}.main.parquet"
    write(rows, Path("results/toy/kept/tiny/toy") / name, ROLLOUTS)


def rows(plan: Plan, wanted: list[PlannedJob]) -> float:
    return work_of(plan, Path("results/toy"), wanted)["tiny"].rows


def test_only_rows_that_are_not_kept_are_counted(plan):
    assert rows(plan, jobs(plan)) == 24
    keep(plan, 0, (BASELINE, "zero"))
    assert rows(plan, jobs(plan)) == 16
    keep(plan, 1, (BASELINE,))
    assert rows(plan, jobs(plan)) == 12
    assert rows(plan, jobs(plan, rule="ablate")) == 8, "their baseline is read from traces"
    assert rows(plan, jobs(plan, engine=["other code"])) == 24
    keep(plan, 2, (BASELINE,), reason="failed")
    assert rows(plan, jobs(plan)) == 12, "rows that failed get another try"


def test_what_another_planned_job_makes_is_not_counted_twice(plan):
    more = {BASELINE: None, "late": {"operation": "zero", "layer": "late"}}
    assert rows(plan, [*jobs(plan), *jobs(plan, "more", conditions=more)]) == 36


def test_some_shards_tell_of_all(plan, monkeypatch):
    keep(plan, 0, (BASELINE,))
    monkeypatch.setattr(work, "MOST_SHARDS", 1)
    assert rows(plan, jobs(plan)) == 12, "the first stands for all"
    monkeypatch.setattr(work, "MOST_ROWS", 4)
    assert rows(plan, jobs(plan)) == 12


def test_earlier_jobs_tell_how_long_it_takes(plan):
    assert work_of(plan, Path("results/toy"), jobs(plan))["tiny"] == Work(3, 24, None)
    for name, line in (("a", "8 rows, 0 of them failed, 2 made, 9.0 s"), ("b", "all kept")):
        file = Path(f"results/toy/logs/generate/tiny/main/toy/{name}.log")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"2026-01-01 10:00:00,000 INFO {line}\n… INFO took 10.0 s\n")
    assert work_of(plan, Path("results/toy"), jobs(plan))["tiny"] == Work(3, 24, 24 * 10 / 2)
    assert told("row", 1234.0, 600) == " — 1,234 rows, about 10 min"
    assert told("problem", 1, None) == " — 1 problem" and told("row", None, None) == ""
