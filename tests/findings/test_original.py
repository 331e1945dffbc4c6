import dataclasses
import gzip
import json

import pyarrow as pa
import pytest
from findings_cases import problem_row, problems_of, rollouts_of

from cotsieve.findings.dataset.existing import read_existing
from cotsieve.findings.dataset.folder import new_rows, published_row, write_dataset
from cotsieve.findings.dataset.strata import draw_original
from cotsieve.findings.grades import GRADES, grade_rollouts
from cotsieve.findings.merge import merge
from cotsieve.findings.necessity.judging import necessity
from cotsieve.findings.original import (
    export_checkpoint,
    import_checkpoint,
    rollouts_from_checkpoint,
)
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import PROBLEMS, Problem, count_steps, difficulty, problems_from
from cotsieve.rollouts.schema import ROLLOUTS

TARGETS = {"2-step": 150, "3-step": 150, "4-step": 100, "5+step": 50}
TESTED = {
    "gsm8k_id": "test_1",
    "question": "How many? ",
    "answer": 3,
    "full_solution": "#### 3",
    "source": "test",
    "baseline_correct": True,
    "baseline_prediction": 3,
    "ablated_correct": False,
    "ablated_prediction": 79.5,
    "needs_cot": True,
    "success": True,
}
FAILED = {
    "gsm8k_id": "test_2",
    **{key: TESTED[key] for key in ("question", "answer", "full_solution", "source")},
    "success": False,
    "error": "out of memory",
    "needs_cot": False,
}


def checkpoint(path, *rows, **changes):
    content = {
        "timestamp": "2025-10-23T18:42:45",
        "problems_tested": len(rows),
        "needs_cot_count": sum(bool(row["needs_cot"]) for row in rows),
        "results": rows,
    }
    path.write_text(json.dumps({**content, **changes}, indent=2))
    return path


def problem(problem_id: str, question: str = "How many?") -> Problem:
    return problems_from(problems_of([{**problem_row(problem_id), "question": question}]))[0]


def judged(folder, problems: pa.Table, rollouts: list[dict]) -> list[dict]:
    """NECESSITY rows, by way of every table in between."""
    answers = dict(
        zip(problems["problem_id"].to_pylist(), problems["answer"].to_pylist(), strict=True)
    )
    grades = grade_rollouts(rollouts_of(rollouts), answers, "original", 0.01)
    paths = folder / "rollouts.parquet", folder / "grades.parquet"
    tables.write(rollouts, paths[0], ROLLOUTS)
    tables.write(grades, paths[1], GRADES)
    merged = merge([("main", *paths)], problems, {"main": ["baseline", "zero"]})
    return necessity(merged, problems, "main", "zero")


def test_numbers_survive_digit_for_digit(tmp_path):
    digits = "50100100100100104126464"
    path = checkpoint(tmp_path / "c.json", {**TESTED, "ablated_prediction": int(digits)})
    assert import_checkpoint(path)["test_1"]["ablated_prediction"] == digits
    path = checkpoint(tmp_path / "c.json", TESTED)
    row = import_checkpoint(path)["test_1"]
    assert (row["ablated_prediction"], row["answer"]) == ("79.5", "3")
    path.write_text(path.read_text().replace("79.5", "79.50"))
    assert import_checkpoint(path)["test_1"]["ablated_prediction"] == "79.50"


def test_tested_rows_become_imported_rollouts_and_failed_rows_fail(tmp_path):
    no_answer = {**TESTED, "gsm8k_id": "test_3", "ablated_prediction": None}
    path = checkpoint(tmp_path / "c.json", TESTED, FAILED, no_answer)
    problems = [problem("test_3"), problem("test_1"), problem("test_2")]
    rows = rollouts_from_checkpoint(path, problems, "baseline", "zero")
    pa.Table.from_pylist(rows, schema=ROLLOUTS).validate(full=True)
    told = ("problem_id", "condition", "finish_reason", "imported_prediction", "error")
    assert [tuple(row[key] for key in told) for row in rows] == [
        ("test_3", "baseline", "imported", "3", None),
        ("test_3", "zero", "imported", None, None),
        ("test_1", "baseline", "imported", "3", None),
        ("test_1", "zero", "imported", "79.5", None),
        ("test_2", "baseline", "failed", None, "out of memory"),
        ("test_2", "zero", "failed", None, "out of memory"),
    ]
    assert len({row["row_key"] for row in rows}) == 6


def test_a_problem_with_an_error_of_its_own_fails_and_need_not_be_there(tmp_path):
    unusable = dataclasses.replace(problem("test_9"), error="no answer")
    path = checkpoint(tmp_path / "c.json", TESTED)
    rows = rollouts_from_checkpoint(path, [problem("test_1"), unusable], "baseline", "zero")
    assert [row["finish_reason"] for row in rows] == ["imported"] * 2 + ["failed"] * 2
    assert rows[-1]["error"] == "no answer"


def test_an_error_without_words_is_still_an_error(tmp_path):
    path = checkpoint(tmp_path / "c.json", {**FAILED, "error": ""})
    (row, _) = rollouts_from_checkpoint(path, [problem("test_2", "How many?")], "baseline", "zero")
    assert (row["finish_reason"], row["error"]) == ("failed", "the checkpoint tells no reason")


def test_other_questions_and_missing_problems_are_refused(tmp_path):
    path = checkpoint(tmp_path / "c.json", TESTED)
    with pytest.raises(BadInput, match=r"results row 0 \(test_1\): its question is"):
        rollouts_from_checkpoint(path, [problem("test_1", "How few?")], "baseline", "zero")
    wanted = [problem("test_1"), problem("test_8"), problem("test_9")]
    with pytest.raises(BadInput, match="2 of 3 problems are missing: test_8, test_9"):
        rollouts_from_checkpoint(path, wanted, "baseline", "zero")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({**TESTED, "gsm8k_id": 1}, "gsm8k_id is 1"),
        ({**TESTED, "answer": "3"}, 'answer is "3"'),
        ({**TESTED, "baseline_prediction": "3"}, 'baseline_prediction is "3"'),
        ({**TESTED, "needs_cot": False}, "needs_cot is false against its own two flags"),
        ({**TESTED, "baseline_correct": None}, "baseline_correct is null"),
        ({**TESTED, "success": 1}, "success is 1"),
        ({key: TESTED[key] for key in TESTED if key != "ablated_prediction"}, "is missing"),
        ({**FAILED, "error": None}, "error is null"),
        ({**FAILED, "needs_cot": True}, "a failed row needs"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, what):
    other = {**TESTED, "gsm8k_id": "test_0"}
    with pytest.raises(BadInput, match=f"c.json, results row 1.*{what}"):
        import_checkpoint(checkpoint(tmp_path / "c.json", other, row))


def test_repeated_rows_and_wrong_counts_are_found_together(tmp_path):
    path = checkpoint(tmp_path / "c.json", TESTED, TESTED, problems_tested=3, needs_cot_count=None)
    with pytest.raises(BadInput) as caught:
        import_checkpoint(path)
    repeated, tested, needed = (finding.what for finding in caught.value.findings)
    assert repeated == "gsm8k_id test_1 comes 2 times"
    assert tested == "it is 3, but the rows make 2"
    assert needed == "it is null, but the rows make 2"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"results": [', "not valid JSON"),
        ('{"results": NaN}', "NaN is not a JSON number"),
        ('{"results": [], "results": []}', "repeated keys: results"),
        ("[1]", "it is not an object"),
        ('{"results": []}', "not a list of tested problems"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, what):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=what):
        import_checkpoint(path)


def test_failed_rows_go_out_as_they_came(tmp_path):
    path = checkpoint(tmp_path / "c.json", TESTED, FAILED)
    table = problems_of(
        [
            {**problem_row(row["gsm8k_id"]), "question": row["question"], "solution": "#### 3"}
            for row in (TESTED, FAILED)
        ]
    )
    rollouts = rollouts_from_checkpoint(path, problems_from(table), "baseline", "zero")
    rows = judged(tmp_path, table, rollouts)
    export_checkpoint(
        rows, tmp_path / "out.json", "2025-10-23T18:42:45", {"test_2": FAILED["error"]}
    )
    assert (tmp_path / "out.json").read_text() == path.read_text()


def test_the_published_run_of_ten_is_continued_to_its_dataset(shared, tmp_path):
    folder = shared / "data" / "cot_expansion"
    source = folder / "test_checkpoint_10.json.gz"
    tested = import_checkpoint(source)
    problems = problems_of(
        [
            {
                "problem_id": name,
                "source": row["source"],
                "row": int(name[5:]),
                "question": row["question"],
                "solution": row["full_solution"],
                "answer": row["answer"],
                "steps": count_steps(row["full_solution"]),
                "stratum": difficulty(count_steps(row["full_solution"])),
            }
            for name, row in tested.items()
        ]
    )
    assert problems.schema == PROBLEMS
    rollouts = rollouts_from_checkpoint(source, problems_from(problems), "baseline", "zero")
    rows = judged(tmp_path, problems, rollouts)
    for row in rows:
        before = tested[row["problem_id"]]
        assert (row["baseline_verdict"] == "correct") == before["baseline_correct"]
        assert row["needs_cot"] == before["needs_cot"]
    export_checkpoint(rows, tmp_path / "out.json", "2025-10-23T18:42:45.615195")
    assert (tmp_path / "out.json").read_bytes() == gzip.decompress(source.read_bytes())

    existing = read_existing(folder / "llama_cot_all.json.gz").rows
    new = new_rows(rows, existing, "codi", "main", "zero")
    draw = draw_original(existing, new, TARGETS)
    expected = json.loads(gzip.decompress((folder / "test_expansion_10.json.gz").read_bytes()))
    write_dataset(tmp_path / "dataset", draw.rows, "")
    written = json.loads((tmp_path / "dataset" / "dataset.json").read_text())
    assert len(written) == 134
    for ours, theirs, row in zip(written, expected, draw.rows, strict=True):
        assert list(ours) == list(published_row(row))
        if "pair_id" not in ours:
            assert ours.pop("is_existing") is False
        assert list(ours.items()) == list(theirs.items())
