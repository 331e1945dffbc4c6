"""Files of rows in every accepted form."""

import csv
import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.problems.files.records import read_records

ROWS = [{"question": "2 + 2?\u2028Line", "answer": 4}, {"question": "½?", "answer": 10**30}]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
ARRAY = json.dumps(ROWS, indent=1).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", ARRAY),
        ("rows.json", b" \r\n" + ARRAY + b"\n\n"),
        ("rows.json.gz", gzip.compress(ARRAY, mtime=0)),
        ("rows.jsonl", LINES),
        ("rows.jsonl", LINES.replace(b"\n", b"\r\n") + b"\r\n\r\n"),
        ("ROWS.JSONL.GZ", gzip.compress(LINES + b"\n", mtime=0)),
        ("rows.jsonl.zst", pa.Codec("zstd").compress(LINES, asbytes=True)),
        ("rows.json.zst", pa.Codec("zstd").compress(ARRAY, asbytes=True)),
    ],
)
def test_every_json_form_gives_the_same_rows(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_records(tmp_path / name) == ROWS


def test_parquet_rows_are_plain_values(tmp_path):
    rows = [{"question": "2 + 2?", "pair": {"a": [1, 2]}, "answer": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read_records(tmp_path / "rows.parquet") == rows


SHEET = [
    {"question": 'Two,\n or\u2028"2"?', "answer": "007", "wage": '5" pipe'},
    {"question": " ½ ", "answer": "1,000", "wage": None},
]
CSV = 'question,answer,wage\n"Two,\n or\u2028""2""?",007,5" pipe\n ½ ,"1,000",""\n'.encode()
TSV = 'question\tanswer\twage\n"Two,\n or\u2028""2""?"\t007\t5" pipe\n ½ \t1,000\t\n'.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", CSV),
        ("rows.csv", b"\xef\xbb\xbf" + CSV + b"\r\n\n"),
        ("rows.csv", CSV[:-1]),
        ("ROWS.CSV.GZ", gzip.compress(CSV, mtime=0)),
        ("rows.csv.zst", pa.Codec("zstd").compress(b"\xef\xbb\xbf" + CSV, asbytes=True)),
        ("rows.tsv", TSV),
        ("rows.tsv.gz", gzip.compress(TSV, mtime=0)),
        ("rows.tsv.zst", pa.Codec("zstd").compress(TSV, asbytes=True)),
    ],
)
def test_cells_stay_the_text_they_are(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_records(tmp_path / name) == SHEET


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_ending_ends_a_row(tmp_path, ending):
    (tmp_path / "rows.csv").write_bytes(ending.join(["a,b", "1,2", "3,", ""]).encode())
    assert read_records(tmp_path / "rows.csv") == [{"a": "1", "b": "2"}, {"a": "3", "b": None}]


def test_a_cell_may_be_longer_than_the_module_allows_others(tmp_path):
    long = "x" * 200_000
    before = csv.field_size_limit()
    (tmp_path / "rows.csv").write_text(f"a\n{long}\n")
    assert read_records(tmp_path / "rows.csv") == [{"a": long}]
    assert csv.field_size_limit() == before < len(long)


def test_what_a_sheet_writer_writes_is_read_back(tmp_path):
    rng = random.Random(5)
    letters = ["a", ",", '"', "\n", "\r\n", "\t", " ", "é", "\u2028", "'", ";", "0"]
    rows = [["".join(rng.choices(letters, k=rng.randint(1, 6))) for _ in "abc"] for _ in range(300)]
    for name, dialect in (("rows.csv", "excel"), ("rows.tsv", "excel-tab")):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, dialect).writerows([["a", "b", "c"], *rows])
        assert [list(row.values()) for row in read_records(tmp_path / name)] == rows
