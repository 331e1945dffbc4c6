import json

import pytest
import yaml

from cotsieve.findings.dataset.card import CardFacts, card
from cotsieve.findings.dataset.folder import DATASET, new_rows, write_dataset
from cotsieve.findings.dataset.strata import draw_seeded, shared_out
from cotsieve.findings.dataset.summary import summary
from cotsieve.findings.failure_kinds import Failure
from cotsieve.findings.necessity.controls import HOW_TO_READ, Control
from cotsieve.findings.paired import Paired
from cotsieve.findings.shares import share
from cotsieve.ground import tables

EXISTING = [
    {
        **dict.fromkeys(DATASET.names),
        **{"is_existing": True, "problem_id": "existing_7", "question": "Known?", "answer": "18"},
        **{"steps": 2, "stratum": "2-step", "needs_cot": True, "pair_id": 7, "variant": "clean"},
        **{"baseline_correct": True, "ablated_correct": False},
    }
]


def judged(number: int, ablated: str | None, needed: bool | None, **changes) -> dict:
    row = {
        "problem_id": f"gsm8k-train_{number}",
        "source": "gsm8k-train",
        "row": number,
        "question": f"What is {number}?",
        "solution": "It is.",
        "answer": "3",
        "steps": 2,
        "stratum": "2-step",
        "baseline_prediction": "3",
        "baseline_verdict": "correct",
        "ablated_prediction": ablated,
        "ablated_verdict": "incorrect",
        "needs_cot": needed,
        "samples": 1,
    }
    return {**row, **changes}


BIG = "50100100100100104126464"
ROWS = [
    judged(0, BIG, True),
    judged(1, "79.5", True),
    judged(2, None, True, ablated_verdict="no_answer"),
    judged(3, "1/2", True, stratum="3-step", steps=3),
    judged(4, "3", False, ablated_verdict="correct", source="gsm8k-test"),
    judged(5, None, None, ablated_verdict="failed"),
    judged(6, "4", True, question="Known? "),
]
TARGETS = {"2-step": 9, "3-step": 1}


@pytest.fixture
def draw():
    return draw_seeded(EXISTING, new_rows(ROWS, EXISTING, "codi", "main", "zero"), TARGETS, seed=1)


def facts(draw, **changes) -> CardFacts:
    shares = share(5, 6), share(0, 5), share(0, 5)
    told = {
        "title": "Needs its | thoughts: a sample",
        "model": "codi",
        "sweep": "main",
        "condition": "zero",
        "rows": ROWS,
        "drawn": draw.rows,
        "strata": draw.strata,
        "controls": [
            Control(name, *shares, Paired(1, 4, 0, 1), None) for name in ("baseline", "zero")
        ],
        "failures": [Failure("main", "zero", "gsm8k-train_5", "too long:\n<b> | 300 tokens")],
        "provenance": {"revision": "abc", "layers": (1, 2), "condition": {"edit": "zero"}},
    }
    return CardFacts(**{**told, **changes})


def test_a_known_question_is_not_drawn_again(draw):
    assert "gsm8k-train_6" not in [row["problem_id"] for row in draw.rows]
    assert [row["is_existing"] for row in draw.rows] == [True, *[False] * 4]


def test_a_question_that_is_there_twice_is_drawn_once():
    twice = [*ROWS, judged(7, "4", True, question=" What is 0?")]
    assert new_rows(twice, [], "codi", "main", "zero") == new_rows(ROWS, [], "codi", "main", "zero")


def test_the_card_tells_what_was_cut_off_imported_or_more_than_asked_for(draw):
    plain = card(facts(draw))
    assert "Cut off" not in plain and "tested here" in plain
    assert "3 rollouts of the baseline ended at the limit" in card(facts(draw, cut_off=3))
    for drawn in (draw.rows, []):
        text = card(facts(draw, drawn=drawn, provenance={"results": "abc"}))
        assert "imported" in text and "tested here" not in text
    assert "There are more, since all" in card(facts(draw, total=2))


def test_the_card_tells_which_existing_rows_ask_the_same(draw):
    assert "asked what another row asks" not in card(facts(draw))
    told = card(facts(draw, repeated=[(n, 7) for n in range(8, 15)]))
    assert "7 rows of that file asked what another row asks" in told
    assert "(by pair_id: 8 is 7, 9 is 7, 10 is 7, 11 is 7, 12 is 7, …)" in told


def test_few_right_answers_and_many_kinds_of_failure_are_told_on_card_and_summary(draw):
    """Of 1,200 problems 7 are right; 6 break, 6 others are right only when ablated; 500 fail each
    for a reason of its own number."""

    def outcome(number: int) -> dict:
        verdicts = ("correct", "incorrect") if number < 7 else ("incorrect", "incorrect")
        if number == 0 or 7 <= number < 13:
            verdicts = (verdicts[0], "correct")
        named = dict(zip(("baseline_verdict", "ablated_verdict"), verdicts, strict=True))
        return judged(number, "1", verdicts == ("correct", "incorrect"), **named)

    rows = [outcome(number) for number in range(1200)]
    failures = [Failure("main", "zero", f"p_{n}", f"too long: {n} tokens") for n in range(500)]
    told = card(facts(draw, rows=rows, failures=failures))
    assert "6 break, 6 right only under it: +0.0 points" in told and "p = 1.000" in told
    assert "nothing shows that these problems need" in told
    assert "too long: 0 to 499 tokens" in told and told.count("too long") == 1
    text = summary(rows, draw.strata, "results/x", None)
    assert "p = 1.000" in text and "85.7 % (48.7 to 97.4) of the 7 right at baseline" in text


def test_the_card_tells_the_language_of_the_problems(draw):
    for about, told in (({}, "en"), ({"language": "zh"}, "zh")):
        header = yaml.safe_load(card(facts(draw, about=about)).split("---")[1])
        assert header["language"] == [told]


def test_all_rows_share_one_schema_and_predictions_are_text(draw, tmp_path):
    write_dataset(tmp_path, draw.rows, card(facts(draw)), {"model": "codi"})
    table = tables.read(tmp_path / "data" / "train-00000-of-00001.parquet", DATASET)
    found = {row["problem_id"]: row["ablated_prediction"] for row in table.to_pylist()}
    assert found["gsm8k-train_0"] == BIG and found["existing_7"] is None
    assert table["is_existing"].null_count == 0


def test_the_json_holds_numbers_as_numbers_digit_for_digit(draw, tmp_path):
    write_dataset(tmp_path, draw.rows, "")
    rows = json.loads((tmp_path / "dataset.json").read_text())
    found = {row["gsm8k_id"]: row.get("ablated_prediction") for row in rows}
    assert found["gsm8k-train_0"] == int(BIG) and found["gsm8k-train_1"] == 79.5
    assert found["gsm8k-train_2"] is None and found["gsm8k-train_3"] == "1/2"
    assert rows[0]["answer"] == 18 and rows[0]["pair_id"] == 7


def test_nothing_to_keep_makes_an_empty_dataset(tmp_path):
    write_dataset(tmp_path, [], "")
    assert json.loads((tmp_path / "dataset.json").read_text()) == []
    assert tables.read(tmp_path / "data" / "train-00000-of-00001.parquet", DATASET).num_rows == 0


def test_the_card_tells_counts_rates_failures_and_cautions(draw):
    text = card(facts(draw))
    assert text == card(facts(draw))
    assert "| 2-step | 6 | 5 | 1 | 4 | 1 | 9 | 4 | 5 |" in text
    assert "- 2-step: 4 of 9, all there are: 1 existing and 3 new." in text
    assert "| gsm8k-test | 1 | 1 | 0.0 % (0.0 to 79.3) | 0.0 % (0.0 to 79.3) | 100.0 %" in text
    assert "5 break, 0 right only under it: -83.3 points (-97.0 to -27.7), p = 0.062" in text
    assert "| too long: &lt;b> \\| 300 tokens | `zero` | 1 | gsm8k-train_5 |" in text
    assert "may have been seen in training" in text
    assert "No control was run" in text
    assert "layers:\n- 1\n- 2\n" in text


def test_the_card_says_how_several_samples_decide(draw):
    told = "Each was run 5 times per problem"
    assert told not in card(facts(draw))
    assert told in card(facts(draw, rows=[{**row, "samples": 5} for row in ROWS]))


def test_the_card_reads_controls_as_the_docs_do(draw):
    """Removals that all break an answer speak for the ablation, not against it."""
    shares = share(5, 6), share(0, 5), share(0, 5)
    controls = [
        Control(name, *shares, Paired(1, 4, 0, 1), None) for name in ("baseline", "zero", "mean")
    ]
    text = card(facts(draw, controls=controls))
    assert HOW_TO_READ in text and "No control was run" not in text


def test_the_card_without_train_rows_or_failures_says_so(draw):
    rows = [{**row, "source": "gsm8k-test"} for row in ROWS]
    text = card(facts(draw, rows=rows, failures=[], controls=[], provenance={}))
    assert "seen in training" not in text
    assert "None." in text and "no other conditions" in text


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (5, "Each target is the share of its stratum"),
        (50, "There are 5, and all of them are here."),
    ],
)
def test_targets_that_are_shares_of_a_total_are_told_as_such(draw, total, told):
    text = card(facts(draw, total=total))
    assert f"asks for {total} problems in all" in text and told in text
    assert "reaches its target" not in text and "fall short" not in text


def test_an_empty_dataset_says_so_and_why():
    wrong = [{**row, "baseline_verdict": "incorrect", "needs_cot": False} for row in ROWS]
    text = card(facts(draw_seeded([], [], TARGETS, seed=1), rows=wrong))
    assert "this dataset is empty. Of 7 problems tested here `codi` answers 0 correctly" in text
    assert "drawn" not in text.split("## What a row is")[0]


def test_the_header_names_the_size_and_the_files(draw):
    header = yaml.safe_load(card(facts(draw)).split("---\n")[1])
    assert header["size_categories"] == ["n<1K"]
    assert header["pretty_name"] == "Needs its | thoughts: a sample"
    (config,) = header["configs"]
    assert config["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]


def test_datasets_opens_the_folder(draw, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs the datasets library")
    write_dataset(tmp_path / "folder", draw.rows, card(facts(draw)), {"model": "codi"})
    found = datasets.load_dataset(str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache"))
    assert list(found) == ["train"]
    assert found["train"].column_names == DATASET.names
    assert found["train"]["problem_id"][:] == [row["problem_id"] for row in draw.rows]


def test_the_summary_is_a_narrow_table(draw):
    text = summary(ROWS, draw.strata, "results/small/dataset")
    lines = text.splitlines()
    assert max(map(len, lines)) < 100
    cells = [line.split() for line in lines]
    assert cells[1] == ["2-step", "6", "1", "5", "1", "4", "1", "9", "4"]
    assert cells[3] == ["total", "7", "1", "6", "1", "5", "1", "10", "5"]
    assert lines[4:] == [
        "needs CoT: 83.3 % (43.6 to 97.0) of the 6 right at baseline; "
        "83.3 % (43.6 to 97.0) of all 6",
        "on balance: 5 break, 0 right only under it: -83.3 points (-97.0 to -27.7), p = 0.062",
        "WARNING: Chance alone makes so small a difference often.",
        "2-step: 5 short of 9; test more problems to fill it.",
        "dataset: results/small/dataset",
    ]


def test_the_summary_of_a_total_keeps_the_order_of_strata_and_tells_what_is_missing():
    """4-step passes nothing and stands in its place all the same; 2 rows passed of 9 asked for."""
    rows = [
        judged(0, "1", True, stratum="5+step"),
        judged(1, "1", False, stratum="4-step", ablated_verdict="correct"),
        judged(2, "1", True, stratum="3-step"),
    ]
    targets = shared_out(9, {"5+step": 1, "3-step": 1}, (row["stratum"] for row in rows), {})
    found = draw_seeded([], [row for row in rows if row["needs_cot"]], targets, seed=1)
    lines = [line.split() for line in summary(rows, found.strata, "x", total=9).splitlines()]
    assert [line[0] for line in lines[1:5]] == ["3-step", "4-step", "5+step", "total"]
    assert lines[2][-2:] == ["0", "0"] and lines[4][-2:] == ["9", "2"]
    assert " ".join(lines[-2]) == "total: 7 short of 9; test more problems to fill it."


def test_the_summary_says_when_no_baseline_is_right(draw):
    wrong = [{**row, "baseline_verdict": "incorrect", "needs_cot": False} for row in ROWS]
    text = summary(wrong, draw.strata, "x")
    assert "nothing is right at baseline: look" in text and "test more" not in text
    unread = [row | {"baseline_verdict": "no_answer"} for row in wrong]
    assert "the grader found no answer in any text" in summary(unread, draw.strata, "x")


def test_the_summary_of_strata_nobody_asked_for(draw):
    asked = draw_seeded(EXISTING, [], {"4-step": 0}, seed=1)
    cells = [line.split() for line in summary(ROWS, asked.strata, "x").splitlines()]
    assert cells[1] == ["4-step", "0", "0", "0", "0", "0", "0", "0", "0"]
    assert cells[3] == ["3-step", "1", "0", "1", "0", "1", "0", "–", "0"]
