"""Prompts and responses of the published reasoning study, byte for byte."""

import csv
import json

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.interventions.prompts import Reasoning, raw_prompt, split_response, trace_file

END = "<｜end▁of▁sentence｜>"


def mode_of(with_reasoning: bool, name: str) -> str:
    return "with" if with_reasoning else name


def test_all_published_prompts(shared):
    lines = (shared / "golden" / "r2a" / "prompts" / "prompts.jsonl").read_text().splitlines()
    assert lines
    for row in map(json.loads, lines):
        mode = mode_of(row["with_reasoning"], row["withoutR_mode"])
        prompt = raw_prompt(row["raw_problem"], mode, row["with_math_instruction"])
        assert prompt == row["prompt"]


def test_nothing_of_a_problem_is_stripped():
    assert raw_prompt("How many? ", "empty", False) == "How many?  <think>\n\n</think>"
    with pytest.raises(BadInput, match="with, empty, finished, default"):
        raw_prompt("How many?", "without", False)


def test_all_published_file_names(shared):
    path = shared / "golden" / "r2a" / "prompts" / "run_names.csv"
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            mode = mode_of(row["with_reasoning"] == "True", row["withoutR_mode"])
            options = row["greedy_decoding"] == "True", row["selected_cases"] == "True"
            name = trace_file(
                row["dataset"], row["model_path"], mode, *options, int(row["run_index"])
            )
            assert name == row["file"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Q <think>\nabc\n</think>\n\n5{END}", Reasoning(True, True, "\nabc\n", f"\n\n5{END}")),
        (f"Q <think>\nabc\n</think>\n\n5{END}\n", Reasoning(False, True, "\nabc\n", None)),
        (f"abc\n</think>\n\n5{END}", Reasoning(True, True, "abc\n", f"\n\n5{END}")),
        (f"Q <think>\nabc{END}", Reasoning(True, False, "\nabc", "")),
        ("Q <think>\nabc", Reasoning(False, False, "\nabc", "")),
        ("Q <think>a</think>b</think>c", Reasoning(False, False, "a", "c")),
        ("Q</think> <think>a", Reasoning(False, True, "a", " <think>a")),
        ("no tags", Reasoning(False, False, "", "")),
    ],
)
def test_a_response_is_taken_apart(text, expected):
    found = split_response(text)
    assert found[:3] == expected[:3]
    assert expected.answer is None or found.answer == expected.answer


def test_other_tags():
    found = split_response("[T]a[/T]b.", "[T]", "[/T]", ".")
    assert found == Reasoning(True, True, "a", "b.")


def test_published_flags(shared):
    path = shared / "golden" / "r2a" / "extract" / "response_flags.jsonl"
    for row in map(json.loads, path.read_text().splitlines()):
        found = split_response(row["response"])
        assert found.finished == row["is_response_finished"]
        assert found.format_ok == (row["end_think_count"] == 2)
        assert found.answer == row["answer_pred"]
