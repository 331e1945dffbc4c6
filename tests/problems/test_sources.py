"""Rows become problems: own small files, and the published ones."""

import gzip
import json

import pytest
from rows import read_source

from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import count_steps, difficulty

MAPPED = {"question": "Frage", "answer": "Antwort"}


def _read(tmp_path, rows, definition):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return read_source("mine", definition, path)


def test_own_column_names(tmp_path):
    rows = [{"Frage": "  2 + 2?\u200b\x07 ", "Antwort": "1,234.50", "Weg": None, "Nr": 7, "n": 3}]
    columns = {**MAPPED, "solution": "Weg", "id": "Nr", "steps": "n"}
    (problem,) = _read(tmp_path, rows, {"format": "columns", "columns": columns})
    assert problem.question == "  2 + 2?\u200b\x07 "
    assert (problem.problem_id, problem.answer, problem.solution) == ("7", "1234.5", None)
    assert (problem.steps, problem.stratum, problem.source) == (3, "3-step", "mine")


def test_columns_with_a_solution_alone(tmp_path):
    columns = {"question": "Frage", "solution": "Weg"}
    rows = [{"Frage": "?", "Weg": "<<1+1=2>> <<2+1=3>> <<3+1=4>>\n#### -1,000"}]
    (problem,) = _read(tmp_path, rows, {"format": "columns", "columns": columns})
    assert (problem.answer, problem.stratum) == ("-1000", "3-step")


def test_cells_of_a_sheet_mean_what_json_values_mean(tmp_path):
    text = 'Nr,Frage,Antwort,n,Weg\n007,2 + 2?,04,3,\n8,Half?,"1,000.50",,<<1+1=2>>\n'
    (tmp_path / "rows.csv").write_text(text)
    columns = {**MAPPED, "id": "Nr", "steps": "n", "solution": "Weg"}
    first, second = read_source(
        "mine", {"format": "columns", "columns": columns}, tmp_path / "rows.csv"
    )
    assert (first.problem_id, first.answer, first.steps, first.solution) == ("007", "4", 3, None)
    assert (second.answer, second.steps, second.stratum) == ("1000.5", 1, "2-step")


def test_without_solution_or_steps_the_stratum_is_unknown(tmp_path):
    rows = [{"Frage": "?", "Antwort": 4}]
    (problem,) = _read(tmp_path, rows, {"format": "columns", "columns": MAPPED})
    assert (problem.steps, problem.stratum) == (None, "unknown")


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        (5, "5"),
        (-0.0, "0"),
        (3.50, "3.5"),
        (1e20, "1" + "0" * 20),
        (10**40, "1" + "0" * 40),
        ("$5", "5"),
        ("3/4", "3/4"),
        ("007", "7"),
        (" +12 ", "12"),
        ("\\frac{6}{8}", "3/4"),
    ],
)
def test_answers_become_canonical(tmp_path, cell, answer):
    rows = [{"Frage": "?", "Antwort": cell}]
    (problem,) = _read(tmp_path, rows, {"format": "columns", "columns": MAPPED})
    assert problem.answer == answer


def test_pairs_seen_twice_are_one_problem(tmp_path):
    clean = {"question": "q", "answer": 2, "full_answer": "<<1+1=2>>\n#### 2"}
    pair = {"pair_id": 5, "clean": clean, "corrupted": {"question": "p", "answer": 3}}
    other = {**pair, "corrupted": {"question": "p", "answer": 4}}
    (problem,) = _read(tmp_path, [pair, other], {"format": "pairs"})
    assert (problem.problem_id, problem.row, problem.answer) == ("pair_5", 0, "2")
    (problem,) = _read(tmp_path, [pair], {"format": "pairs", "variant": "corrupted"})
    assert (problem.problem_id, problem.question, problem.answer) == ("pair_5_corrupted", "p", "3")
    assert (problem.steps, problem.solution) == (1, None)


@pytest.fixture(scope="module")
def gsm8k(shared):
    splits = ("test", "train")
    return {
        problem.problem_id: problem
        for split in splits
        for problem in read_source(
            split, {"format": "gsm8k"}, shared / f"data/gsm8k/{split}.jsonl.gz"
        )
    }


@pytest.fixture(scope="module")
def published(shared):
    path = shared / "data/cot_expansion/llama_cot_original_stratified_final.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def test_gsm8k_is_read_whole(gsm8k):
    assert len(gsm8k) == 8792
    negative = [key for key, problem in gsm8k.items() if problem.answer.startswith("-")]
    assert negative == ["test_489", "test_1113", "train_5715", "train_5844", "train_6189"]
    assert all(problem.answer.lstrip("-").isdigit() for problem in gsm8k.values())


def test_steps_and_strata_of_the_published_dataset(gsm8k, published):
    assert len(published) == 450
    for row in published:
        existing = row.get("is_existing", False)
        problem = gsm8k[f"test_{row['pair_id']}" if existing else row["gsm8k_id"]]
        assert count_steps(problem.solution) == problem.steps == row["reasoning_steps"]
        assert problem.stratum == difficulty(row["reasoning_steps"]) == row["difficulty"]


def test_new_rows_of_the_published_dataset_equal_gsm8k(gsm8k, published):
    new = [row for row in published if not row.get("is_existing", False)]
    assert len(new) == 318
    for row in new:
        problem = gsm8k[row["gsm8k_id"]]
        expected = (row["question"], str(row["answer"]), row["full_solution"], row["source"])
        assert (problem.question, problem.answer, problem.solution, problem.source) == expected


def test_existing_problems_equal_those_of_the_published_dataset(shared, published, gsm8k):
    path = shared / "data/cot_expansion/llama_cot_all.json.gz"
    problems = {
        problem.problem_id: problem for problem in read_source("x", {"format": "cot_all"}, path)
    }
    existing = [row for row in published if row.get("is_existing", False)]
    assert len(existing) == len(problems) == 132
    for row in existing:
        problem = problems[row["gsm8k_id"]]
        assert (problem.question, problem.answer) == (row["question"], str(row["answer"]))
        assert (problem.steps, problem.stratum) == (row["reasoning_steps"], row["difficulty"])
        assert gsm8k[f"test_{row['pair_id']}"].question == problem.question


def test_tested_pairs_are_five_hundred_problems(shared, gsm8k):
    path = shared / "data/cot_expansion/problem_pairs_gpt4_answers.json.gz"
    problems = read_source("x", {"format": "pairs"}, path)
    assert len(problems) == 500
    for problem in problems:  # five of the file's own answers differ, cut at a comma
        twin = gsm8k[problem.problem_id.replace("pair", "test")]
        assert (problem.question, problem.answer) == (twin.question.strip(), twin.answer)
        assert (problem.solution, problem.steps) == (twin.solution, twin.steps)


def test_steps_and_percents_are_read_as_sheets_write_them(tmp_path):
    (tmp_path / "rows.csv").write_text("Nr,Frage,Antwort,n\n1,?,5 %,2.0\n")
    columns = {**MAPPED, "steps": "n"}
    (found,) = read_source("mine", {"format": "columns", "columns": columns}, tmp_path / "rows.csv")
    assert (found.answer, found.steps) == ("5", 2)


def test_a_bad_row_keeps_the_steps_it_was_given(tmp_path):
    rows = [{"Frage": "?", "Antwort": "many", "n": 4}]
    how = {"format": "columns", "columns": {**MAPPED, "steps": "n"}, "bad_rows": "record"}
    (found,) = _read(tmp_path, rows, how)
    assert found.error and (found.steps, found.stratum) == (4, "4-step")


def test_latex_in_a_column_is_taken_where_the_grader_compares_it(tmp_path):
    rows = [{"Frage": "?", "Antwort": "\\sqrt{2}"}, {"Frage": "!", "Antwort": "1,250"}]
    plain = {"format": "columns", "columns": MAPPED}
    with pytest.raises(BadInput, match=r"grader: math.*formats math500"):
        _read(tmp_path, rows, plain)
    first, second = _read(tmp_path, rows, plain | {"latex": True})
    assert (first.answer, second.answer) == ("\\sqrt{2}", "1250")
