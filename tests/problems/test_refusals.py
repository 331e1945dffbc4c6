"""Bad definitions, bad exclusion lists, and what becomes of many bad rows."""

import pytest
from rows import GOOD, GSM8K, MAPPED, PAIRS, json_lines, read_source

from cotsieve.ground.faults import BadInput
from cotsieve.problems.candidates import read_exclusion


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"format": "csv"}, ["source 'mine'", "format is 'csv'", "gsm8k, pairs"]),
        ({**PAIRS, "variant": "dirty"}, ["source 'mine'", "variant is 'dirty'", "clean"]),
        ({**GSM8K, "bad_rows": "drop"}, ["source 'mine'", "bad_rows is 'drop'", "record"]),
        ({"format": "columns", "columns": {"question": "q"}}, ["maps 'question'", "at least one"]),
        ({**MAPPED, "columns": {**MAPPED["columns"], "x": "y"}}, ["maps", "'x'", "Map question"]),
    ],
)
def test_definition_is_checked_before_the_file(tmp_path, definition, words):
    with pytest.raises(BadInput) as caught:
        read_source("mine", definition, tmp_path / "absent.jsonl")
    assert [word for word in words if word not in str(caught.value)] == []


def test_missing_file_and_folder_are_named(tmp_path):
    for name in ("absent.jsonl", "absent.parquet"):
        with pytest.raises(BadInput, match=f"{name}: there is no such file. Correct the path"):
            read_source("mine", GSM8K, tmp_path / name)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(BadInput, match="it is a folder"):
        read_source("mine", GSM8K, tmp_path / "folder.json")


def test_all_bad_rows_are_reported_at_once_and_capped(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_lines(*[GOOD, {**GOOD, "answer": "?"}] * 30))
    with pytest.raises(BadInput) as caught:
        read_source("mine", GSM8K, path)
    findings = caught.value.findings
    assert all(
        f"row {row} " in str(finding)
        for row, finding in zip(range(1, 41, 2), findings[:20], strict=True)
    )
    assert len(findings) == 21
    assert str(findings[-1]) == f"{path}: and 10 more. Mend those above to see the rest."


def test_recorded_bad_rows_stay_with_their_reason(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [GOOD, {**GOOD, "answer": "?"}, {"answer": 3}, {**GOOD, "id": ""}]
    path.write_bytes(json_lines(*rows))
    problems = read_source("mine", {**GSM8K, "bad_rows": "record"}, path)
    assert [problem.problem_id for problem in problems] == ["mine_0", "mine_1", "mine_2", "mine_3"]
    assert [problem.error is None for problem in problems] == [True, False, False, True]
    failed = problems[1]
    assert failed.error == 'missing ####. End the solution with "#### <number>", or map an answer.'
    assert (failed.question, failed.answer) == (GOOD["question"], "")
    assert (failed.stratum, failed.steps) == ("unknown", None)
    assert problems[2].question == ""


def test_repeated_ids_are_refused_even_when_bad_rows_are_recorded(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_lines(GOOD, GOOD))
    with pytest.raises(BadInput, match="also that of row 0"):
        read_source("mine", {**GSM8K, "id": "id", "bad_rows": "record"}, path)


@pytest.mark.parametrize(
    ("name", "content", "definition", "words"),
    [
        ("a.json", b"[]", {"format": "xml"}, ["exclusion", "format is 'xml'", "text"]),
        ("a.json", b"[]", {"format": "pairs", "by": "id"}, ["no field is given", "field"]),
        ("a.json", b"[]", {"format": "text", "by": "hash"}, ["by is 'hash'", "question or id"]),
        ("a.txt", b"one\n\xff", {"format": "text"}, ["a.txt line 2", "not UTF-8", "Save"]),
        (
            "a.jsonl",
            json_lines({"q": 1}),
            {"format": "gsm8k"},
            ["no row has", "Columns there: ['q']"],
        ),
        (
            "a.jsonl",
            json_lines(GOOD, {"question": " "}),
            GSM8K,
            ["row 1 (line 2)", "empty", "remove"],
        ),
    ],
)
def test_bad_exclusions_are_named(tmp_path, name, content, definition, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_exclusion(tmp_path / name, definition)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
