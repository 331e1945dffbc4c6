"""Which traces are published, and in what form."""

import csv
import json

import pytest
from written_cases import merged_of, merged_row, problems_of

from cotsieve.findings.dataset.trace_dataset import write_traces
from cotsieve.findings.dataset.traces import TRACES, am_row, chosen, verified_traces
from cotsieve.ground.tables import read

ROWS = [
    merged_row("p_0", sample=0, tokens=(9, 9)),
    merged_row("p_0", sample=1, tokens=(2, 3), thought="Short.\n"),
    merged_row("p_0", "incorrect", sample=2, tokens=(1, 1)),
    merged_row("p_1", sample=0, finish="length"),
    merged_row("p_1", sample=1, thought="one</think>two"),
    merged_row("p_1", "no_answer", sample=2, answer=None),
    *[merged_row("p_2", "failed", sample=sample) for sample in range(3)],
    *[merged_row("p_0", condition="empty", thought=None, sample=sample) for sample in range(3)],
]


def found(**rule):
    how = {"sweep": "main", "close": "</think>", "model": "tiny", "grader": "math"} | rule
    return verified_traces(merged_of(ROWS), problems_of(["p_0", "p_1", "p_2"]), **how)


def test_only_whole_right_traces_are_taken():
    traces, unsolved = found(per_problem=5)
    assert [(row["problem_id"], row["sample"]) for row in traces] == [("p_0", 0), ("p_0", 1)]
    assert traces[1]["thought"] == "Short.\n" and traces[1]["response"] == "\n\nIt is \\boxed{3}."
    assert (traces[0]["samples"], traces[0]["correct_samples"]) == (3, 2)
    by_id = {row["problem_id"]: row for row in unsolved}
    assert list(by_id) == ["p_1", "p_2"]
    told = {name: by_id["p_1"][name] for name in ("unfinished", "malformed", "no_answer")}
    assert told == {"unfinished": 1, "malformed": 1, "no_answer": 1}
    assert (by_id["p_2"]["failed"], by_id["p_2"]["why"]) == (3, "too long")


def test_a_short_thought_is_no_exploration():
    traces, unsolved = found(per_problem=5, least_tokens=3)
    assert [row["sample"] for row in traces] == [0]  # the other right one has two tokens
    _, unsolved = found(least_tokens=10)
    told = {row["problem_id"]: row["short"] for row in unsolved}
    assert told["p_0"] == 2 and told["p_2"] == 0


@pytest.mark.parametrize(("choose", "sample"), [("shortest", 1), ("first", 0)])
def test_the_rule_chooses_among_them(choose, sample):
    (trace,), _ = found(choose=choose)
    assert trace["sample"] == sample


def test_a_random_choice_depends_on_seed_and_problem_alone():
    rows = [merged_row("p_0", sample=sample) for sample in range(9)]
    drawn = [chosen(rows[::step], "random", 3, seed) for seed in range(9) for step in (1, -1)]
    assert drawn[::2] == drawn[1::2]
    assert len({tuple(row["sample"] for row in rows) for rows in drawn}) > 3
    assert len(chosen(rows[:2], "random", 3)) == 2


def test_am_rows_have_the_published_form(shared):
    """The row printed on the card of that dataset, byte for byte."""
    line = (shared / "data" / "am_deepseek_r1" / "published_sample_row.jsonl").read_text()
    asked, answered = json.loads(line)["messages"]
    trace = {
        "question": asked["content"],
        "source": asked["info"]["source"],
        "reference_answer": asked["info"]["reference_answer"],
        "thought": answered["info"]["think_content"],
        "response": answered["info"]["answer_content"],
        "model": answered["info"]["source"],
    }
    assert json.dumps(am_row(trace), ensure_ascii=False) == line.strip()


def test_the_folder_loads_with_datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    traces, unsolved = found(per_problem=2)
    about = {"study": "toy", "model": "tiny", "grader": "math"}
    about |= {"choose": "shortest", "per_problem": 2, "seed": 0}
    for name in ("one", "two"):
        write_traces(tmp_path / name, traces, unsolved, about, {"model": {"a": 1}})
    one, two = (
        {file.name: file.read_bytes() for file in (tmp_path / name).rglob("*.*") if file.is_file()}
        for name in ("one", "two")
    )
    assert one == two and len(one) == 5
    assert read(tmp_path / "one/data/train-00000-of-00001.parquet", TRACES).num_rows == 2
    loaded = datasets.load_dataset(
        str(tmp_path / "one"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["thought"] == [row["thought"] for row in traces]
    lines = (tmp_path / "one" / "am.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [am_row(row) for row in traces]
    listed = list(csv.DictReader((tmp_path / "one" / "unsolved.csv").open()))
    assert [row["problem_id"] for row in listed] == ["p_1", "p_2"]
    assert "33.3 %" in one["README.md"].decode()
