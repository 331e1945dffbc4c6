"""Rounds are ranges of rows of a source, however the work is cut into shards."""

import json
from pathlib import Path
from typing import Any

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.study.plan.filling import before_round, chains, least_tokens, rounds, same_round
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study


def plan(folder: Path, shard_size: int, fill_round: int | None, **changes: Any) -> Plan:
    """Source a, of which nothing is asked, and b, whose missing solutions are filled."""
    for name, count in (("a", 6), ("b", 10)):
        rows = [{"q": f"{name} {n}?", "a": "1", "s": "so" * (n % 2)} for n in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"format": "columns", "columns": {"question": "q", "answer": "a", "solution": "s"}}
    study = {
        "study": "toy",
        "sources": {
            "a": source | {"path": str(folder / "a.jsonl")},
            "b": source | {"path": str(folder / "b.jsonl"), "chain_below": 1},
        },
        "models": {"m": {"family": "reasoning", "model": "m"}},
        "sweeps": {"s": {"conditions": {"empty": {"reasoning": "empty"}}}},
        "sieve": {"sweep": "s", "ablation": "empty"},
        "draw": {"total": 1},
        "engine": {"shard_size": shard_size},
        "publish": {"traces": {}, "fill": 0.5, "fill_round": fill_round},
    }
    return Plan(read_study(study | changes))


def traced_in(found: Plan) -> dict[str, int | None]:
    """Problem → its round, or None if it is traced in any case."""
    numbers = rounds(found)
    return {
        problem.problem_id: numbers.get(shard.name)
        for shard in found.shards
        for problem in found.held(shard)
    }


IN_ANY_CASE = {f"a_{n}": None for n in range(6)}


@pytest.mark.parametrize("shard_size", [1, 2, 4])
def test_rounds_do_not_depend_on_shards(tmp_path, shard_size):
    found = plan(tmp_path, shard_size, 4)
    assert traced_in(found) == IN_ANY_CASE | {"b_0": 0, "b_2": 0, "b_4": 1, "b_6": 1, "b_8": 2}
    for number, ids in enumerate(([], ["b_0", "b_2"], ["b_0", "b_2", "b_4", "b_6"])):
        before = before_round(found, number, rounds(found))
        assert [item.problem_id for shard in before for item in found.held(shard)] == ids


@pytest.mark.parametrize("shard_size", [1, 2, 4])
def test_donors_are_traced_whatever_is_filled(tmp_path, shard_size):
    swap = {"conditions": {"swap": {"reasoning": "swap"}}}
    swap["reference"] = {"source": "b", "problems": 3}  # b_0, b_2 and b_4
    decides = {"sweep": "s", "ablation": "swap"}
    found = plan(tmp_path, shard_size, 4, sweeps={"s": swap}, sieve=decides)
    always = {f"b_{n}": None for n in (0, 2, 4, 6)}
    assert traced_in(found) == IN_ANY_CASE | always | {"b_8": 0}
    before = before_round(found, 0, rounds(found))
    assert {item.problem_id for shard in before for item in found.held(shard)} == always.keys()


def test_one_load_serves_a_round_and_no_more(tmp_path):
    found = plan(tmp_path, 2, 4)
    shards = {shard.name: shard for shard in found.shards}
    assert [shard.name for shard in same_round(found, shards["b/0000"])] == ["b/0001"]
    assert [shard.name for shard in same_round(found, shards["a/0001"])] == ["a/0000", "a/0002"]
    everything = plan(tmp_path, 2, None)
    assert len(same_round(everything, everything.shards[0])) == len(everything.shards) - 1
    assert rounds(everything) == {}


def test_who_lacks_a_chain(tmp_path):
    everything, lacking = chains(plan(tmp_path, 2, None))
    assert len(everything) == 16 and lacking == {f"b_{n}" for n in range(0, 10, 2)}


@pytest.mark.parametrize(
    ("said", "quality", "tokens"),
    [
        (7, {}, 7),
        ("exploratory", {"positions": 32768}, 512),
        ("exploratory", {"positions": 1000, "exploratory": 0.25}, 250),
    ],
)
def test_what_is_exploratory_is_what_the_report_calls_so(tmp_path, said, quality, tokens):
    publish = {"traces": {"least_tokens": said}}
    assert least_tokens(plan(tmp_path, 2, None, publish=publish, quality=quality).study) == tokens


def test_a_length_that_nothing_says_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"quality\.positions"):
        plan(tmp_path, 2, None, publish={"traces": {"least_tokens": "exploratory"}})
