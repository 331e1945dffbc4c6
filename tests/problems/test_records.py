"""Files of rows in every accepted form."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.problems.records import read_records

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
