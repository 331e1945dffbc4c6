"""Sources of which only the problems without a chain of thought are asked for."""

import json

import pytest
from studies import changed

from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

COMMIT = "1" * 40
SOLUTIONS = ["", "short one", None, "a chain of quite a few words, or so"] * 10


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"problem": f"Question {n}?", "answer": "1", "solution": solution}
        for n, solution in enumerate(SOLUTIONS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def plan_of(sources: dict, **select) -> Plan:
    study = changed("engine", {"shard_size": 10}, changed("sources", sources))
    return Plan(read_study(changed("select", select, study)))


@pytest.mark.parametrize(("below", "rows"), [(1, (0, 2)), (3, (0, 1, 2)), (50, (0, 1, 2, 3))])
def test_only_short_chains_are_asked_for(file, below, rows):
    plan = plan_of({"made": {"path": file, "format": "deepscaler", "chain_below": below}})
    assert {problem.row % 4 for problem in plan.asked("made").problems()} == set(rows)
    assert len(plan.catalogue("made").places) == 40
    shards = plan.shards
    assert [shard.name for shard in shards] == [f"made/000{n}" for n in range(4)]
    held = [
        problem
        for shard in shards
        for problem in plan.planned("made", shard.name[-4:], shard.prompts)
    ]
    assert held == list(plan.asked("made").problems())


def test_without_the_key_a_source_is_what_it_was(file):
    plan = plan_of({"made": {"path": file, "format": "deepscaler"}})
    below = plan_of({"made": {"path": file, "format": "deepscaler", "chain_below": 50}})
    assert plan.asked("made").content() == below.asked("made").content()
    assert plan.shards == below.shards


def test_shards_behind_a_hub_source_are_not_cut_short(file):
    """How many of its rows are asked for is unknown, so none of them can fill the limit."""
    hub = {"repo": "a/b", "split": "train", "revision": COMMIT, "rows": 30}
    sources = {"far": {"hub": hub, "format": "deepscaler", "chain_below": 1}}
    sources["near"] = {"path": file, "format": "deepscaler", "chain_below": 1}
    names = [shard.name for shard in plan_of(sources, limit=12).shards]
    assert names == [*(f"far/000{n}" for n in range(3)), *(f"near/000{n}" for n in range(3))]
    del sources["far"]["chain_below"]
    names = [shard.name for shard in plan_of(sources, limit=12).shards]
    assert names == ["far/0000", "far/0001"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("publish", {"fill": 0.5}, "no traces to fill with"),
        ("publish", {"traces": {}}, "no model writes traces"),
        ("quality", {"model": "tiny"}, "there is no 'tiny'"),
    ],
)
def test_what_cannot_be_published_is_told(path, value, words):
    with pytest.raises(ValueError, match=words):
        read_study(changed(path, value))
