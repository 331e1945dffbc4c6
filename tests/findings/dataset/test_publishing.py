"""A folder is published only as the study has made it."""

import json
from pathlib import Path

import pytest

from cotsieve.findings.dataset.folder import DATASET as ROWS
from cotsieve.findings.dataset.publishing import TRACE_DATASET, checked_files
from cotsieve.findings.dataset.trace_dataset import write_traces
from cotsieve.findings.dataset.traces import TRACES
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput

ABOUT = {"study": "toy", "model": "tiny", "grader": "math"}
ABOUT |= {"choose": "first", "per_problem": 1, "seed": 0}
TRACE = dict.fromkeys(TRACES.names) | {"problem_id": "toy_0", "question": "What is 1+1?"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_traces(tmp_path, [TRACE], [], ABOUT, {})
    return tmp_path


def check(folder: Path, model: str = "tiny"):
    return checked_files(folder, TRACE_DATASET, "toy", model)


def test_a_whole_folder_is_taken_as_it_is(folder):
    found = check(folder)
    assert {file.path for file in found} == {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    }
    assert all(file.size == (folder / file.path).stat().st_size for file in found)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "am.jsonl").unlink(), "am.jsonl: there is no such file"),
        (lambda folder: damaged(folder / "unsolved.csv"), "not the file that croissant.json"),
        (lambda folder: damaged(folder / "data/train-00000-of-00001.parquet"), "parquet"),
        (lambda folder: (folder / "croissant.json").write_text("[]"), "not the metadata"),
        (lambda folder: (folder / "README.md").write_text("# Mine\n"), "header cannot be read"),
        (
            lambda folder: tables.write([], folder / "data/train-00000-of-00001.parquet", ROWS, {}),
            "parquet",
        ),
    ],
)
def test_what_is_not_as_it_was_made_is_refused(folder, spoil, words):
    spoil(folder)
    with pytest.raises(BadInput) as caught:
        check(folder)
    assert words in str(caught.value)


def test_an_empty_dataset_is_refused(folder):
    write_traces(folder, [], [], ABOUT, {})
    with pytest.raises(BadInput, match=r"it is empty: nothing passed.*See in the report"):
        check(folder)


def test_the_folder_of_another_model_is_refused(folder):
    with pytest.raises(BadInput, match="not model large of study toy"):
        check(folder, "large")


def test_croissant_tells_of_every_column_and_file(folder):
    told = json.loads((folder / "croissant.json").read_text())
    assert told["conformsTo"].startswith("http://mlcommons.org/croissant/1.")
    (records,) = told["recordSet"]
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert columns == tables.read(folder / TRACE_DATASET.parquet, TRACE_DATASET.schema).column_names
    files = {item["@id"] for item in told["distribution"]}
    assert {field["source"]["fileObject"]["@id"] for field in records["field"]} <= files
