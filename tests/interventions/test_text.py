import json

import pyarrow.parquet as pq
import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.interventions.prompts import prompt_with_thought, split_response
from cotsieve.interventions.sentences import sentences
from cotsieve.interventions.text import (
    EDITS,
    FILLERS,
    alter_statement,
    altered_answer,
    drop_answer_statement,
    edited,
    filler,
    mentions,
    reversed_sentences,
    shuffled,
    states_answer,
    truncate_fraction,
    truncate_sentences,
)

THOUGHT = "\nLet us begin here.\n\nThere are 11 boxes. 11 times 7 = 77.\n\nSo the answer is 77.\n"


def test_every_edit_of_the_published_ablation(shared):
    folder = shared / "golden" / "r2a" / "ablation"
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    questions = {
        row["unique_id"]: row["question"]
        for row in map(json.loads, (folder / "problems.jsonl").read_text().splitlines())
    }
    full = {row["unique_id"]: row["think"] for row in rows if row["condition"] == "full"}
    assert len(rows) == len(questions) * len({row["condition"] for row in rows}) > 0
    for row in rows:
        thought = edited(row["condition"], full[row["unique_id"]], row["final_answer"])
        assert thought == row["think"], row["condition"]
        assert prompt_with_thought(questions[row["unique_id"]], thought, True) == row["prompt"]
        if row["follows_altered"] is not None:
            followed = row["extracted_answer"] == altered_answer(row["final_answer"])
            assert followed == row["follows_altered"]


def test_lengths_and_counts_on_published_traces(shared):
    path = shared / "data" / "r2a" / "traces_math500_greedy.parquet"
    for row in pq.read_table(path, columns=["response", "extracted_answer"]).to_pylist()[::31]:
        think = split_response(row["response"]).think
        count = len(sentences(think))
        for kind in FILLERS:
            blank = filler(think, kind)
            assert (len(blank), len(sentences(blank))) == (len(think), count)
        for order in (shuffled(think, 1), reversed_sentences(think)):
            assert sorted(order) == sorted(think)
        assert len(sentences(truncate_sentences(think, 3))) == min(3, count)
        assert truncate_fraction(think, 1) == think
        assert "\\boxed" not in drop_answer_statement(think, row["extracted_answer"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("empty", "\n"),
        ("first_half", "\nLet us begin here.\n\nThere are 11 boxes.\n"),
        ("drop_equation", "\nLet us begin here.\n\nThere are 11 boxes.\n\nSo the answer is 77.\n"),
        ("drop_answer_statement", "\nLet us begin here.\n\nThere are 11 boxes.\n"),
        ("statement_only", "\nSo the answer is 77.\n"),
        (
            "reverse",
            "\nSo the answer is 77.\n\n11 times 7 = 77. There are 11 boxes."
            "\n\nLet us begin here.\n",
        ),
    ],
)
def test_white_space_stays(name, expected):
    assert edited(name, THOUGHT, "77") == expected


@pytest.mark.parametrize(
    ("sentence", "answer", "states"),
    [
        ("61 - 12 = 49.", "49", True),
        ("This makes $1{,}234$.", "1234", True),
        ("The root is \\boxed{x}.", "5", True),
        ("That answers it.", "5", True),
        ("It is 49 cards.", "49", False),
        ("It is 149.", "49", False),
        ("49 + 1 = 50.", "49", False),
        ("Hence $(-\\infty,5)$.", "(-\\infty,5)", True),
        ("Hence nothing.", "", False),
    ],
)
def test_what_states_an_answer(sentence, answer, states):
    assert states_answer(sentence, answer) == states


@pytest.mark.parametrize(
    ("text", "answer", "altered"),
    [
        ("10 times 1 = 10. Here 10 is the answer, \\boxed{10}.", "10", None),
        ("So it costs $1,200.", "1200", "So it costs $1207."),
        ("The answer is -5, no more.", "-5", "The answer is 2, no more."),
        ("So we get $\\frac{3}{4}$.", "\\frac34", "So we get $31/4$."),
        ("It makes 0.5.", ".5", "It makes 7.5."),
    ],
)
def test_only_the_answer_is_altered(text, answer, altered):
    altered = altered or "10 times 1 = 17. Here 17 is the answer, \\boxed{17}."
    assert alter_statement(text, answer) == altered


def test_nothing_to_alter_is_no_silent_full_thought():
    for thought, answer in ((THOUGHT, "78"), (THOUGHT, "x"), ("", "77")):
        with pytest.raises(BadInput):
            edited("alter_statement", thought, answer)


def test_a_shuffle_depends_on_its_seed_and_never_keeps_the_order():
    orders = {shuffled(THOUGHT, seed) for seed in range(30)}
    assert len(orders) > 10 and THOUGHT not in orders
    assert shuffled(THOUGHT, 3) == shuffled(THOUGHT, 3)
    assert shuffled("Again and again. Again and again.", 1) == "Again and again. Again and again."


def test_fractions_count_as_written():
    think = "\n\n".join(f"This is number {n}." for n in range(100))
    assert len(sentences(truncate_fraction(think, 0.29))) == 29
    assert truncate_fraction("Three words here. Three words there.", 0.4) == ""


def test_edges():
    for name in EDITS:
        if not name.startswith("alter"):
            assert edited(name, "\n", "5") == ("\n" if name != "finished" else edited(name, "", ""))
    assert truncate_sentences(THOUGHT, 0) == "\n\n"
    assert mentions("It is 90 degrees, 90.0, not 190.", "90") == 2
    with pytest.raises(BadInput, match="full, empty"):
        edited("half", THOUGHT, "77")
    with pytest.raises(BadInput, match="dots, neutral"):
        filler(THOUGHT, "spaces")
