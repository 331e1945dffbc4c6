import json

import pytest

from cotsieve.findings.dataset.strata import StratumCount, draw_original, draw_seeded


def rows(stratum: str, *numbers: int) -> list[dict]:
    return [{"problem_id": f"{stratum} {number}", "stratum": stratum} for number in numbers]


def ids(draw) -> list[str]:
    return [row["problem_id"] for row in draw.rows]


NEW = rows("2-step", *range(30)) + rows("3-step", *range(30))
KNOWN = rows("2-step", 100, 101, 102)


def test_existing_rows_come_first_and_all_stay():
    draw = draw_seeded(KNOWN, NEW, {"3-step": 2, "2-step": 2}, seed=1)
    assert [row["stratum"] for row in draw.rows] == ["3-step"] * 2 + ["2-step"] * 3
    assert draw.rows[2:] == KNOWN
    assert draw.strata[1] == StratumCount("2-step", target=2, existing=3, new=30, drawn=3)
    assert draw.strata[1].missing == 0


def test_a_draw_does_not_depend_on_row_order_or_other_strata():
    draw = draw_seeded(KNOWN, NEW, {"2-step": 9, "3-step": 5}, seed=1)
    assert ids(draw) == ids(draw_seeded(KNOWN, NEW[::-1], {"2-step": 9, "3-step": 5}, seed=1))
    alone = draw_seeded([], [row for row in NEW if row["stratum"] == "3-step"], {"3-step": 5}, 1)
    assert ids(draw)[9:] == ids(alone)
    assert ids(draw) != ids(draw_seeded(KNOWN, NEW, {"2-step": 9, "3-step": 5}, seed=2))


def test_a_higher_target_only_adds():
    low = ids(draw_seeded(KNOWN, NEW, {"2-step": 8}, seed=7))
    high = ids(draw_seeded(KNOWN, NEW, {"2-step": 20}, seed=7))
    assert high[:8] == low and len(high) == 20


@pytest.mark.parametrize("draw", [draw_seeded, draw_original])
def test_shortages_and_strata_without_target_are_reported(draw):
    found = draw(KNOWN, NEW, {"2-step": 50, "4-step": 5}, 42)
    assert found.strata == [
        StratumCount("2-step", target=50, existing=3, new=30, drawn=33),
        StratumCount("4-step", target=5, existing=0, new=0, drawn=0),
        StratumCount("3-step", target=None, existing=0, new=30, drawn=0),
    ]
    assert [count.missing for count in found.strata] == [17, 5, 0]


@pytest.mark.parametrize("draw", [draw_seeded, draw_original])
def test_existing_rows_stay_where_nothing_was_asked_for(draw):
    found = draw(KNOWN, NEW, {"3-step": 1}, 42)
    assert found.rows[1:] == KNOWN
    assert found.strata[1] == StratumCount("2-step", target=None, existing=3, new=30, drawn=3)


def test_the_published_draw_is_replayed(shared):
    cases = json.loads((shared / "golden/codi_llama_tiny/logic.json").read_text())
    for case in cases["stratify_seed42"]:
        pool = [
            {"problem_id": row["id"], "stratum": row["difficulty"], **row}
            for row in case["problems"]
        ]
        existing = [row for row in pool if row.get("is_existing")]
        new = [row for row in pool if not row.get("is_existing")]
        draw = draw_original(existing, new, dict(case["targets"]))
        assert ids(draw) == case["selected_ids"]


@pytest.mark.parametrize("style", ["seed", "latent_only"])
def test_the_draw_of_the_toy_shard_is_replayed(shared, style):
    toy = json.loads((shared / "golden/codi_llama_tiny/expected.json").read_text())["toy_shard"]
    new = [
        {"problem_id": row["id"], "stratum": row["difficulty"]}
        for row in toy["expected"]
        if row[style]["needs_cot"]
    ]
    draw = draw_original([], new, dict(toy["stratify"]["targets"]), toy["stratify"]["random_seed"])
    assert ids(draw) == toy["stratify"]["selected_ids"][style]
