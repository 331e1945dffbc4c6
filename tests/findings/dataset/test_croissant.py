"""The metadata tells of the files as they are, column by column, and of nothing else."""

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.findings.dataset.croissant import Described, write_croissant
from cotsieve.findings.dataset.folder import COLUMNS, DATASET, JSON, PARQUET, write_dataset
from cotsieve.findings.dataset.trace_dataset import COLUMNS as COLUMNS_OF_TRACES
from cotsieve.findings.dataset.traces import TRACES

TYPES = {pa.string(): "sc:Text", pa.bool_(): "sc:Boolean", pa.int32(): "cr:Int32"}
MEANINGS = {name: meaning for names, meaning in COLUMNS for name in names}
ABOUT = {
    "license": "cc-by-4.0",
    "creator": "Ada Example",
    "language": "zh",
    "url": "https://example.org/set",
    "date": "2026-01-31",
    "citation": "@misc{set}",
}


def metadata(folder, about) -> dict:
    write_dataset(folder, [], "")
    told = Described("A set", "Of problems.", ("math",), "problems", MEANINGS, about)
    write_croissant(folder, PARQUET, DATASET, (JSON,), told)
    return json.loads((folder / "croissant.json").read_text())


def test_every_column_and_file_is_told_as_it_is(tmp_path):
    found = metadata(tmp_path, {})
    (records,) = found["recordSet"]
    assert [
        (field["source"]["extract"]["column"], field["dataType"]) for field in records["field"]
    ] == [(column.name, TYPES[column.type]) for column in pq.read_schema(tmp_path / PARQUET)]
    assert all(field["description"] for field in records["field"])
    assert [file["contentUrl"] for file in found["distribution"]] == [PARQUET, JSON]
    for file in found["distribution"]:
        content = (tmp_path / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    ids = [item["@id"] for item in (*found["distribution"], records, *records["field"])]
    assert len(set(ids)) == len(ids)
    assert {field["source"]["fileObject"]["@id"] for field in records["field"]} == {PARQUET}


REQUIRED = {
    "@context", "@type", "conformsTo", "name", "description", "license", "url", "creator",
    "datePublished", "distribution",
}  # fmt: skip
"""By version 1.1 of the format."""


def test_what_the_publisher_says_completes_it(tmp_path):
    found = metadata(tmp_path, ABOUT)
    assert found.keys() >= REQUIRED
    assert (found["@type"], found["creator"]["name"]) == ("sc:Dataset", ABOUT["creator"])
    assert found["inLanguage"] == "zh"
    assert (found["license"], found["datePublished"]) == (ABOUT["license"], ABOUT["date"])
    assert (found["url"], found["citeAs"]) == (ABOUT["url"], ABOUT["citation"])


def test_nothing_is_made_up(tmp_path):
    found = metadata(tmp_path, {})
    assert REQUIRED - found.keys() == {"url", "creator", "datePublished"}
    assert found["license"] == "other"


@pytest.mark.parametrize(
    ("schema", "meanings"),
    [(DATASET, MEANINGS), (TRACES, COLUMNS_OF_TRACES)],
    ids=["problems", "traces"],
)
def test_every_column_has_a_meaning(schema, meanings):
    assert sorted(schema.names) == sorted(meanings)
