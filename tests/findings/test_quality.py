"""What is told of the solutions of a dataset, and filling what is missing."""

import pytest
from rows import read_source

from cotsieve.findings.dataset.fill import filled
from cotsieve.findings.quality import Measure, quality, quality_markdown, words
from cotsieve.problems.problem import Problem

LONG = "Let me see. " * 40


def problem(number: int, question: str, solution: str | None, answer: str = "3", **more) -> Problem:
    return Problem(f"p_{number}", "made", number, question, solution, answer, 0, "unknown", **more)


PROBLEMS = [
    problem(0, "What is 1+2?", "It is \\boxed{3}."),
    problem(1, "what is  1+2? ", LONG + "\\boxed{\\frac{6}{2}}"),
    problem(2, "What is 2+2?", "It is \\boxed{5}.", answer="4"),
    problem(3, "What is 1+2?", "It is three.", answer="four"),
    problem(4, "Half of 6?", None),
    problem(5, "Half of 8?", "  ", answer="4"),
    problem(6, "", None, error="the question is empty"),
    problem(7, "Half of 2?", None, answer="1", reasoning=LONG),
]


@pytest.fixture(scope="module")
def found():
    measure = Measure(words, "words", positions=6400)
    others = {"test.jsonl": ["WHAT is\n2+2?", "unknown"], "other.jsonl": []}
    return quality(PROBLEMS, measure, others)


def test_every_row_is_counted_once(found):
    assert found["rows"] == 8
    assert found["unusable"] == {"rows": 1, "reasons": {"the question is empty": 1}}
    assert (found["empty_solutions"]["count"], found["empty_solutions"]["total"]) == (2, 7)
    style = found["style"]
    assert style["bound"] == 100 and "100 words" in style["rule"]
    assert (style["summary"]["count"], style["exploratory"]["count"]) == (3, 2)
    assert found["length"]["chains"] == 5 and found["length"]["max"] == 121


def test_solutions_are_compared_with_the_answer_beside_them(found):
    agreement = found["agreement"]
    counts = {name: agreement[name]["count"] for name in ("agrees", "differs", "unread")}
    assert counts == {"agrees": 2, "differs": 1, "unread": 1}
    assert agreement["differing"] == ["p_2"] and agreement["agrees"]["total"] == 4


def test_duplicates_are_found_whatever_their_blanks_and_case(found):
    assert found["duplicates"]["repeats"]["count"] == 2
    assert found["duplicates"]["other_answer"]["count"] == 1
    assert found["also_in"]["test.jsonl"]["ids"] == ["p_2"]
    assert found["also_in"]["other.jsonl"]["count"] == 0


def test_the_page_tells_the_figures_and_the_rule(found):
    page = quality_markdown("Made", found)
    assert "| without a solution | 2 | 7 | 28.6 %" in page
    assert found["style"]["rule"] in page and "question also in test.jsonl | 1" in page
    empty = quality([PROBLEMS[4]], Measure(words, "words", None), {})
    assert "There are none." in quality_markdown("Empty", empty)
    assert "summary" not in empty["style"]


def test_the_published_parts_of_deepscaler_come_out_as_counted(shared):
    """8,449 rows: 974 solutions with a reference, of AIME; the rows of MATH have none."""
    path = shared / "data" / "deepscaler" / "deepscaler_parts.jsonl.gz"
    problems = read_source("parts", {"format": "deepscaler", "bad_rows": "record"}, path)
    few = [item for item in problems if item.solution][:40]
    rest = [item for item in problems if not item.solution]
    found = quality([*few, *rest], Measure(words, "words", 131_072), {})
    empty = found["empty_solutions"]["count"] + found["unusable"]["rows"]
    assert empty >= 7_474 and found["agreement"]["agrees"]["total"] == len(few)
    assert found["agreement"]["differs"]["count"] <= 4


TRACES = {
    "p_4": {"thought": "Halve 6.\n", "response": "It is 3.", "model": "tiny"},
    "p_5": {"thought": "Halve 8.\n", "response": "It is 4.", "model": "tiny"},
    "p_0": {"thought": "1 and 2.\n", "response": "It is 3.", "model": "tiny"},
}
LACKING = {"p_0", "p_2", "p_3", "p_4", "p_5"}


@pytest.mark.parametrize(
    ("target", "taken", "met"),
    [(0.1, [], True), (0.5, ["p_0", "p_4"], True), (1.0, list("045"), False)],
)
def test_chains_are_filled_until_the_target_is_met(target, taken, met):
    rows, told = filled(PROBLEMS, LACKING, TRACES, target)
    assert len(rows) == 7 == told["problems"] and told["own_chains"] == 2
    by_model = [row["problem_id"] for row in rows if row["chain_from"] == "tiny"]
    assert by_model == [name if name.startswith("p") else f"p_{name}" for name in taken]
    assert told["filled"] == len(taken) and told["met"] == met
    by_id = {row["problem_id"]: row for row in rows}
    assert by_id["p_1"]["chain_from"] == "source" and by_id["p_2"]["chain_from"] is None
    assert by_id["p_2"]["solution"] == PROBLEMS[2].solution
