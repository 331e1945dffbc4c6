"""Who gives means and donors depends on what is asked, not on where it stands or came from."""

import hashlib
from typing import Any

import pytest
from studies import changed
from test_plan import COMMIT, hub_plan, plan_of, row, write

from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import (
    reference_identity,
    reference_problems,
    reference_shards,
)
from cotsieve.study.settings.reading import read_study

THREE = ("sweeps main reference", {"problems": 3})


@pytest.fixture
def rows() -> list[dict]:
    return [row(index) for index in range(45)]


def chosen(plan: Plan) -> list[str]:
    return [problem.question for problem in reference_problems(plan, "main")]


def smallest(rows: list[dict], count: int = 3) -> list[str]:
    questions = {item["question"] for item in rows if item["question"]}
    return sorted(questions, key=lambda text: hashlib.sha256(text.encode()).digest())[:count]


def test_they_are_the_usable_ones_whose_question_has_the_smallest_digest(tmp_path, rows):
    rows[1] = {"question": "", "answer": "#### 1"}
    rows[30] = rows[31]
    keys = (("sources toy bad_rows", "record"), THREE)
    plan = plan_of(write(tmp_path / "toy.jsonl", rows), *keys)
    assert chosen(plan) == smallest(rows)
    backwards = plan_of(write(tmp_path / "toy.jsonl", rows[::-1]), *keys)
    assert chosen(backwards) == chosen(plan)


def test_an_edit_or_a_new_row_changes_them_about_once_in_n(tmp_path, rows):
    before = chosen(plan_of(write(tmp_path / "toy.jsonl", rows), THREE))
    moved = 0
    for index in range(45):
        edited = [*rows[:index], row(1000 + index), *rows[index + 1 :]]
        after = chosen(plan_of(write(tmp_path / "toy.jsonl", edited), THREE))
        assert after == smallest(edited)
        moved += after != before
    assert 3 <= moved <= 9  # the three themselves, and new questions that come before them
    longer = [*rows, *(row(2000 + index) for index in range(45))]
    grown = chosen(plan_of(write(tmp_path / "toy.jsonl", longer), THREE))
    assert grown == smallest(longer)


def test_their_identity_names_them(tmp_path, rows):
    plan = plan_of(write(tmp_path / "toy.jsonl", rows), THREE)
    found = reference_identity(plan, "main")
    assert found["ids"] == [item.problem_id for item in reference_problems(plan, "main")]
    other = plan_of(write(tmp_path / "toy.jsonl", rows[::-1]), THREE)
    assert reference_identity(other, "main")["content"] != found["content"]  # ids are of rows


def test_reasoning_is_taken_from_candidates_alone(tmp_path, rows):
    """Of other problems there is no trace."""
    writes: dict[str, Any] = {
        "models": {"m": {"family": "reasoning", "model": "m"}},
        "sweeps": {"main": {"conditions": {"swap": {"reasoning": "swap"}}}},
        "sieve": {"sweep": "main", "ablation": "swap"},
        "select": {"limit": 20},
        "engine": {"shard_size": 10},
    }
    study = changed("sources toy path", write(tmp_path / "toy.jsonl", rows)) | writes
    plan = Plan(read_study(changed(*THREE, study)))
    assert chosen(plan) == smallest(rows[:20])
    assert set(reference_shards(plan, "main")) <= {"toy/0000", "toy/0001"}


def test_of_a_hub_they_are_among_the_first_rows():
    """Which are pinned, and need not be fetched to be planned."""
    plan = hub_plan(size=100)
    assert reference_shards(plan, "main") == ["test/0000", "test/0001"]
    moved = hub_plan(size=100, sources__test__hub__revision=COMMIT[::-1])
    assert reference_identity(moved, "main") != reference_identity(plan, "main")
