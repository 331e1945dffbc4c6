"""Packed files that unpack without end are refused in a line, whatever reads them."""

import gzip
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.problems.files import segments
from cotsieve.problems.files.records import read_records
from cotsieve.problems.files.segments import read_text

MANY = 40 * 2**20
"""Bytes, and with one limit for all tests below the least that is refused."""


def zipped(content: bytes, name: str):
    def write(folder):
        path = folder / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(content, 1))
        else:
            with pa.CompressedOutputStream(str(path), "zstd") as file:
                file.write(content)
        return path

    return write


def parquet(question: pa.Array):
    def write(folder):
        table = pa.table({"question": question, "answer": pa.nulls(len(question), pa.int64())})
        pq.write_table(table, folder / "a.parquet", compression="zstd")
        return folder / "a.parquet"

    return write


ONE = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["x" * 4_000])
BOMBS = {
    "blanks": zipped(b" " * MANY, "a.jsonl.gz"),
    "blanks in zstd": zipped(b" " * MANY, "a.jsonl.zst"),
    "members": lambda folder: [
        (path := folder / "a.jsonl.gz").write_bytes(gzip.compress(b" " * 2**20) * 40), path
    ][1],
    "empty rows": zipped(b"{}\n" * 400_000, "a.jsonl.gz"),
    "an array": zipped(b"[" + b" " * MANY, "a.json.gz"),
    "cells": zipped(b"a,b\n" + b"1,2\n" * 400_000, "a.csv.gz"),
    "one text for many": parquet(ONE),
    "many nulls": parquet(pa.nulls(500_000, pa.string())),
}  # fmt: skip


@pytest.mark.parametrize("write", BOMBS.values(), ids=BOMBS)
def test_a_file_that_unpacks_without_end(write, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_UNPACKED", 2**-5)  # 32 MiB
    path = write(tmp_path)
    assert path.stat().st_size < 2**19
    tracemalloc.start()
    try:
        with pytest.raises(BadInput) as caught:
            read_records(path)
        assert tracemalloc.get_traced_memory()[1] < 2**29
    finally:
        tracemalloc.stop()
    told = str(caught.value)
    assert told.startswith(
        f"{path}: it unpacks to more than 0.0312 GiB. If that is right, set COTS"
    )
    monkeypatch.setattr(segments, "_UNPACKED", 1.0)


def test_a_list_of_text_too(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_UNPACKED", 2**-5)
    with pytest.raises(BadInput, match="it unpacks to more than"):
        read_text(zipped(b"a\n" * 400_000, "a.txt.gz")(tmp_path))


def test_ordinary_text_is_far_from_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_UNPACKED", 0)
    rows = b"".join(
        b'{"question": "What is %d + %d?"}\n' % (n * 7919, n * n) for n in range(20_000)
    )
    assert len(read_records(zipped(rows, "a.jsonl.gz")(tmp_path))) == 20_000


def test_columns_without_end(tmp_path):
    path = tmp_path / "a.parquet"
    names = [f"c{number}" for number in range(10_001)]
    pq.write_table(pa.table([pa.array([1])] * len(names), names=names), path)
    with pytest.raises(BadInput, match="it has 10,001 columns"):
        read_records(path)
