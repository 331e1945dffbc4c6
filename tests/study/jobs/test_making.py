"""Which shards a job may work on besides its own."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from studies import MINIMAL

from cotsieve.demo.stories import make_problems, write_jsonl
from cotsieve.rollouts.finished import Finished
from cotsieve.study.jobs.making import Making
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

HUB = {"repo": "a/b", "split": "train", "revision": "0" * 40, "rows": 8}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(make_problems(20, seed=1), Path("problems.jsonl"))


def making(shard: str, ahead: int, **sources: dict) -> Making:
    study = MINIMAL | {"engine": {"shard_size": 4, "ahead": ahead}}
    plan = Plan(read_study(study | {"sources": MINIMAL["sources"] | sources}))
    names = SimpleNamespace(study="toy", model="tiny", source="toy", shard=shard)
    return Making(plan.study, plan, names, {}, [])


def ahead(job: Making) -> list[str]:
    return [item.problems[0].problem_id for item in job.ahead("main")]


def firsts(*shards: int) -> list[str]:
    return [f"toy_{4 * shard}" for shard in shards]


@pytest.mark.parametrize(
    ("shard", "most", "found"),
    [("0000", 9, (1, 2, 3, 4)), ("0003", 9, (4, 0, 1, 2)), ("0003", 2, (4, 0)), ("0001", 0, ())],
)
def test_the_shards_that_follow_come_first(shard: str, most: int, found: tuple[int, ...]) -> None:
    assert ahead(making(shard, most)) == firsts(*found)


def test_finished_shards_do_not_count() -> None:
    job = making("0000", 2)
    for shard in job.plan.shards[1:3]:
        problems = {"rows": shard.rows, "content": shard.prompts}
        note = Finished.of(job.names, {}, "main", shard.name, problems)
        note.note.parent.mkdir(parents=True, exist_ok=True)
        note.note.write_text(json.dumps({"job": note.job}))
    assert ahead(job) == firsts(3, 4)


def test_a_source_that_is_not_here_is_left_to_its_own_jobs() -> None:
    job = making("0000", 9, later={"hub": HUB})
    assert len(job.plan.shards) == 7
    assert ahead(job) == firsts(1, 2, 3, 4)
