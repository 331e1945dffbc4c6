"""Rounds are ranges of rows of a source, however the work is cut into shards."""

import json
from pathlib import Path

import pytest

from cotsieve.study.filling import before_round, chains, round_of, same_round
from cotsieve.study.plan import Plan
from cotsieve.study.settings import read_study


def plan(folder: Path, shard_size: int, fill_round: int | None) -> Plan:
    for name, count in (("a", 10), ("b", 6)):
        rows = [{"q": f"{name} {n}?", "a": "1", "s": "so" * (n % 2)} for n in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"format": "columns", "columns": {"question": "q", "answer": "a", "solution": "s"}}
    publish = {"traces": {}, "fill": 0.5, "fill_round": fill_round}
    return Plan(
        read_study(
            {
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
                "publish": publish,
            }
        )
    )


@pytest.mark.parametrize("shard_size", [1, 2, 4])
def test_rounds_do_not_depend_on_shards(tmp_path, shard_size):
    found = plan(tmp_path, shard_size, 4)
    rounds: dict[int, set[tuple[str, int]]] = {}
    for shard in found.shards:
        rows = {(problem.source, problem.row // 4) for problem in found.held(shard)}
        rounds.setdefault(round_of(found, shard), set()).update(rows)
    assert rounds == {0: {("a", 0)}, 1: {("a", 1)}, 2: {("a", 2)}, 3: {("b", 0)}, 4: {("b", 1)}}
    before = {problem.row for shard in before_round(found, 2) for problem in found.held(shard)}
    assert before == set(range(8))


def test_one_load_serves_a_round_and_no_more(tmp_path):
    found = plan(tmp_path, 2, 4)
    others = same_round(found, found.shards[0])
    assert [shard.name for shard in others] == ["a/0001"]
    everything = plan(tmp_path, 2, None)
    assert len(same_round(everything, everything.shards[0])) == len(everything.shards) - 1
    assert round_of(everything, everything.shards[-1]) == 0


def test_who_lacks_a_chain(tmp_path):
    everything, lacking = chains(plan(tmp_path, 2, None))
    assert len(everything) == 16 and lacking == {"b_0", "b_2", "b_4"}
