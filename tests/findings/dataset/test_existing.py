import gzip
import json

import pytest

from cotsieve.findings.dataset.existing import read_existing
from cotsieve.findings.dataset.folder import DATASET
from cotsieve.ground.faults import BadInput

ROW = {
    "pair_id": 7,
    "variant": "clean",
    "question": "How many?",
    "answer": 18,
    "reasoning_steps": 3,
    "baseline_correct": True,
    "ablated_correct": False,
    "needs_cot": True,
}


def write(path, *rows):
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    return path


def test_the_clean_rows_are_kept_and_put_into_strata(tmp_path):
    corrupted = {**ROW, "variant": "corrupted", "answer": None}
    ((row,), _) = read_existing(write(tmp_path / "known.json.gz", corrupted, ROW))
    assert set(row) == {*DATASET.names, "pair_id", "variant"}
    assert (row["problem_id"], row["stratum"], row["answer"]) == ("existing_7", "3-step", "18")
    assert row["is_existing"] and row["needs_cot"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pair_id": "7"}, 'pair_id is "7"'),
        ({"pair_id": True}, "pair_id is true"),
        ({"question": " "}, "question is empty"),
        ({"answer": None}, "answer is null"),
        ({"reasoning_steps": -1}, "reasoning_steps is -1"),
        ({"needs_cot": False}, "not a problem that was right at baseline"),
        ({"ablated_correct": True}, "not a problem that was right at baseline"),
        ({"baseline_correct": 1}, "baseline_correct is 1"),
    ],
)
def test_a_bad_row_is_named(tmp_path, change, what):
    path = write(tmp_path / "known.json.gz", {**ROW, "pair_id": 1}, {**ROW, **change})
    with pytest.raises(BadInput, match=f"row 1.*{what}"):
        read_existing(path)


def test_repeated_pairs_and_an_absent_variant_are_refused(tmp_path):
    path = write(tmp_path / "known.json.gz", ROW, ROW)
    with pytest.raises(BadInput, match="row 0: pair_id 7 comes 2 times"):
        read_existing(path)
    with pytest.raises(BadInput, match='no row has variant "corrupted"'):
        read_existing(path, "corrupted")


def test_of_one_question_under_two_ids_the_first_is_kept_and_the_other_named(tmp_path, caplog):
    again = {**ROW, "pair_id": 8, "question": f" {ROW['question']}\n"}
    path = write(tmp_path / "known.json.gz", ROW, again)
    found = read_existing(path)
    assert [row["problem_id"] for row in found.rows] == ["existing_7"] and found.repeated == [
        (8, 7)
    ]
    assert "pair_id 8 asks what pair_id 7 asks" in caplog.text


def test_the_published_file_holds_132(shared):
    rows = read_existing(shared / "data" / "cot_expansion" / "llama_cot_all.json.gz").rows
    strata = [row["stratum"] for row in rows]
    counts = {stratum: strata.count(stratum) for stratum in sorted(set(strata))}
    assert counts == {"2-step": 42, "3-step": 37, "4-step": 32, "5+step": 21}
