"""Every way a data file can be wrong is named with its place and its mend."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows import GOOD, GSM8K, MAPPED, PAIRS, json_lines, read_source

from cotsieve.ground.faults import BadInput
from cotsieve.problems.files.records import read_records


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True, compression="none", use_dictionary=False)
    return sink.getvalue()


def _broken_page() -> bytes:
    data = _parquet(pa.table({"question": ["One and one?"] * 9, "answer": ["#### 2"] * 9}))
    return data.replace(b"One and one?", b"One and 0ne?")


def _bad_text() -> bytes:
    data = pa.py_buffer(b"good\xff\xfe")
    offsets = pa.py_buffer(b"\0\0\0\0\4\0\0\0\6\0\0\0")
    column = pa.StringArray.from_buffers(2, offsets, data)
    return _parquet(pa.table({"question": column, "answer": ["#### 1", "#### 2"]}))


def _answer(value: object) -> bytes:
    return json_lines(
        {"question": "Fine?", "answer": 1}, {"question": "How many?", "answer": value}
    )


def _asked(question: object) -> bytes:
    return json_lines(GOOD, {**GOOD, "question": question})


PAIR = {"pair_id": 5, "clean": {**GOOD, "answer": 2, "full_answer": "#### 2"}, "corrupted": {}}

# name, content, definition, what the message must hold
CASES = {
    "empty file": ("a.jsonl", b"", GSM8K, ["a.jsonl", "is empty", "written completely"]),
    "empty array": ("a.json", b"[]", GSM8K, ["a.json", "no rows", "written completely"]),
    "unknown kind": ("a.xlsx", b"question", GSM8K, ["a.xlsx", "kind of file", ".jsonl"]),
    "byte-order mark": ("a.jsonl", b"\xef\xbb\xbf{}", GSM8K, ["byte-order mark", "without one"]),
    "line is not UTF-8": (
        "a.jsonl",
        json_lines(GOOD) + b'\n{"question": "\xff"}',
        GSM8K,
        ["a.jsonl row 1 (line 2)", "byte 0xff is not UTF-8", "Save the file as UTF-8"],
    ),
    "array is not UTF-8": (
        "a.json",
        b'[\n{"question": "\xe9"}]',
        GSM8K,
        ["a.json line 2", "byte 0xe9 is not UTF-8", "Save the file as UTF-8"],
    ),
    "line is not JSON": (
        "a.jsonl",
        json_lines(GOOD) + b"\n{'question'}",
        GSM8K,
        ["a.jsonl row 1 (line 2)", "invalid JSON", "one complete object"],
    ),
    "blank line": (
        "a.jsonl",
        json_lines(GOOD) + b"\n\n" + json_lines(GOOD),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "invalid JSON", "one complete object"],
    ),
    "array is cut": (
        "a.json",
        b'[{"question": "1?"},\n{"question": ',
        GSM8K,
        ["a.json row 1", "line 2", "invalid JSON", "one complete array"],
    ),
    "object for an array": (
        "a.json",
        json.dumps({"results": [GOOD]}).encode(),
        GSM8K,
        ["a.json", "an object stands where an array", "name the file .jsonl"],
    ),
    "row is a list": (
        "a.jsonl",
        json_lines(GOOD, [1, 2]),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "[1, 2], not an object", 'Write {"column": value'],
    ),
    "NaN": (
        "a.jsonl",
        b'{"question": "q", "answer": NaN}',
        MAPPED,
        ["a.jsonl row 0 (line 1)", "NaN is not a JSON number", "finite number or null"],
    ),
    "infinity in an array": (
        "a.json",
        b'[{"question": "q", "answer": 1}, {"question": "q", "answer": -Infinity}]',
        MAPPED,
        ["a.json row 1", "-Infinity is not a JSON number", "finite number or null"],
    ),
    "number beyond floats": (
        "a.jsonl",
        b'{"question": "q", "answer": 1e999}',
        MAPPED,
        ["a.jsonl row 0", "1e999 is too large", "as text"],
    ),
    "endless integer": (
        "a.jsonl",
        b'{"question": "q", "answer": ' + b"9" * 5000 + b"}",
        MAPPED,
        ["a.jsonl row 0", "a number of 5000 characters", "at most 4300 digits"],
    ),
    "repeated key": (
        "a.jsonl",
        b'{"question": "q", "answer": 1, "answer": 2}',
        MAPPED,
        ["a.jsonl row 0", "repeated key 'answer'", "Keep one"],
    ),
    "nested too deeply": (
        "a.jsonl",
        b"[" * 200_000,
        GSM8K,
        ["a.jsonl row 0 (line 1)", "nested too deeply", "flat objects"],
    ),
    "cut zstd": (
        "a.jsonl.zst",
        pa.Codec("zstd").compress(json_lines(GOOD), asbytes=True)[:-4],
        GSM8K,
        ["a.jsonl.zst", "damaged or cut zstd", "Fetch it again"],
    ),
    "zstd without its ending": (
        "a.jsonl",
        pa.Codec("zstd").compress(json_lines(GOOD), asbytes=True),
        GSM8K,
        ["a.jsonl", "it is zstd data", "Add .zst"],
    ),
    "cut gzip": (
        "a.jsonl.gz",
        gzip.compress(json_lines(*[GOOD] * 50), mtime=0)[:-12],
        GSM8K,
        ["a.jsonl.gz", "damaged or cut gzip", "Fetch it again"],
    ),
    "gzip without its name": (
        "a.jsonl",
        gzip.compress(json_lines(GOOD), mtime=0),
        GSM8K,
        ["a.jsonl", "it is gzip data", "Add .gz"],
    ),
    "cut Parquet": (
        "a.parquet",
        _broken_page()[:-30],
        GSM8K,
        ["a.parquet", "damaged, cut or not Parquet", "Fetch it again"],
    ),
    "changed Parquet page": (
        "a.parquet",
        _broken_page(),
        GSM8K,
        ["a.parquet", "damaged, cut or not Parquet", "Fetch it again"],
    ),
    "Parquet text is not UTF-8": (
        "a.parquet",
        _bad_text(),
        GSM8K,
        ["a.parquet row 1", "column 'question' cannot be read", "UTF-8"],
    ),
    "unmapped column": (
        "a.jsonl",
        json_lines({"problem": "1?", "answer": 1}),
        MAPPED,
        ["a.jsonl", "no row has a column 'question'", "Columns there: ['problem', 'answer']"],
    ),
    "row without a column": (
        "a.jsonl",
        json_lines(GOOD, {"answer": "#### 1"}),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "it has no 'question'", "Add 'question'"],
    ),
    "question is a number": (
        "a.jsonl",
        _asked(5),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "the question is 5, not text", "as text"],
    ),
    "question is null": (
        "a.jsonl",
        _asked(None),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "the question is missing. Write the question or remove"],
    ),
    "question is blank": (
        "a.jsonl",
        _asked(" \n\t"),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "the question is empty", "Write the question"],
    ),
    "question is too long": (
        "a.jsonl",
        _asked("x" * 100_001),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "100,001 characters", "At most 100,000"],
    ),
    "question with NUL": (
        "a.jsonl",
        _asked("a\0b"),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "NUL character", "Remove it"],
    ),
    "half a surrogate pair": (
        "a.jsonl",
        _asked("a\ud83d?"),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "half of a surrogate pair", "both halves"],
    ),
    "no marker": (
        "a.jsonl",
        json_lines(GOOD, {**GOOD, "answer": "So 2."}),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "missing ####", "or map an answer"],
    ),
    "marker without a number": (
        "a.jsonl",
        json_lines(GOOD, {**GOOD, "answer": "#### two"}),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "not one number behind ####, but 'two'", "Write one number"],
    ),
    "marker before half a number": (
        "a.jsonl",
        json_lines(GOOD, {**GOOD, "answer": "#### 12,34"}),
        GSM8K,
        ["a.jsonl row 1 (line 2)", "not one number behind ####, but '12,34'", "Write one number"],
    ),
    "answer is missing": (
        "a.jsonl",
        _answer(None),
        MAPPED,
        ["a.jsonl row 1 (line 2)", "the answer is missing", "one finite number"],
    ),
    "answer is a word": (
        "a.jsonl",
        _answer("Monday"),
        MAPPED,
        ["a.jsonl row 1 (line 2)", "the answer 'Monday' is not a number", "one finite number"],
    ),
    "answer is true": (
        "a.jsonl",
        _answer(True),
        MAPPED,
        ["a.jsonl row 1 (line 2)", "the answer True is not a number", "one finite number"],
    ),
    "answer is NaN in Parquet": (
        "a.parquet",
        _parquet(pa.table({"question": ["1?", "2?"], "answer": [1.0, float("nan")]})),
        MAPPED,
        ["a.parquet row 1", "the answer nan is not a number", "one finite number"],
    ),
    "steps are negative": (
        "a.jsonl",
        json_lines({"question": "q", "answer": 1, "n": -1}),
        {"format": "columns", "columns": {**MAPPED["columns"], "steps": "n"}},
        ["a.jsonl row 0 (line 1)", "the steps are -1", "whole number from 0"],
    ),
    "steps are too many": (
        "a.csv",
        b"question,answer,n\nq,1,2147483647\nq,1,2147483648\n",
        {"format": "columns", "columns": {**MAPPED["columns"], "steps": "n"}},
        ["a.csv row 1", "the steps are 2147483648", "a whole number from 0 to 2,147,483,647."],
    ),
    "repeated id": (
        "a.jsonl",
        json_lines(GOOD, {**GOOD, "id": "other"}, GOOD),
        {**GSM8K, "id": "id"},
        ["a.jsonl row 2 (line 3)", "its id 'first' is also that of row 0", "its own id"],
    ),
    "empty id": (
        "a.jsonl",
        json_lines({**GOOD, "id": ""}),
        {**GSM8K, "id": "id"},
        ["a.jsonl row 0 (line 1)", "the id '' is empty", "Write a plain id"],
    ),
    "half of a pair is text": (
        "a.json",
        json.dumps([{**PAIR, "clean": "q"}]).encode(),
        PAIRS,
        ["a.json row 0", "'clean' is 'q', not an object", "Write an object"],
    ),
    "pair with two answers": (
        "a.json",
        json.dumps([PAIR, {**PAIR, "clean": {**PAIR["clean"], "full_answer": "#### 3"}}]).encode(),
        PAIRS,
        ["a.json row 1", "its id 'pair_5' is also that of row 0", "its own id"],
    ),
    "CSV row with too many cells": (
        "a.csv",
        b'question,answer\n"One,\nand one?",2\nTwo, and two?,4\n',
        MAPPED,
        [
            "a.csv row 1 (line 4)",
            "its cells are 3, those of the header 2",
            "a cell that holds a comma",
        ],
    ),
    "TSV row with too few cells": (
        "a.tsv",
        b"question\tanswer\nOne and one?\n",
        MAPPED,
        [
            "a.tsv row 0 (line 2)",
            "its cells are 1, those of the header 2",
            "a cell that holds a tab",
        ],
    ),
    "blank line in CSV": (
        "a.csv",
        b"question,answer\n\nOne and one?,2\n",
        MAPPED,
        ["a.csv row 0 (line 2)", "its cells are 0, those of the header 2"],
    ),
    "all bad rows of a CSV": (
        "a.csv",
        b'question,answer\nSay "hi",1\n"Say "hi"",2\n3\n"open,4\n\n5\n',
        MAPPED,
        [
            *("row 1 (line 3): a quoted cell goes on after its closing quote", 'twice: "".'),
            *("row 2 (line 4): its cells are 1", "row 3 (line 5): a quote is opened and never"),
        ],
    ),
    "bad cell of a CSV": (
        "a.csv.gz",
        gzip.compress(b'question,answer\n"One,\nand one?",2\nHow many?,\n', mtime=0),
        MAPPED,
        ["a.csv.gz row 1 (line 4)", "the answer is missing", "one finite number"],
    ),
    "CSV header with one name twice": (
        "a.csv",
        b"question,answer,answer\nOne?,1,1\n",
        MAPPED,
        ["a.csv: repeated column 'answer'", "Keep one of each"],
    ),
    "CSV header without a name": (
        "a.csv",
        b",question,,answer\n0,One?,,1\n",
        MAPPED,
        ["a.csv: column 1, 3 has no name in the first line", "pandas: index=False"],
    ),
    "CSV without a first line": (
        "a.csv",
        b"\nquestion,answer\nOne?,1\n",
        MAPPED,
        ["a.csv: column 1 has no name in the first line", "Name every column"],
    ),
    "CSV of line breaks": (
        "a.csv",
        b"\n\r\n",
        MAPPED,
        ["a.csv: column 1 has no name in the first line", "Name every column"],
    ),
    "CSV with an open quote in its header": (
        "a.csv",
        b'question,"answer\nOne?,1\n',
        MAPPED,
        ["a.csv: a quote is opened and never closed", "Close it"],
    ),
    "CSV of another country": (
        "a.csv",
        b"question;answer\nOne?;1,5\n",
        MAPPED,
        ["a.csv: the first line is a single cell, 'question;answer'", "commas in a .csv file"],
    ),
    "CSV with a header alone": (
        "a.csv",
        b"\xef\xbb\xbfquestion,answer\n",
        MAPPED,
        ["a.csv: the file holds no rows", "written completely"],
    ),
    "CSV without a first line of names": (
        "a.csv",
        b"One?,1\nTwo?,2\n",
        MAPPED,
        ["a.csv: no row has a column 'question'", "Columns there: ['One?', '1']"],
    ),
    "CSV that is not UTF-8": (
        "a.csv",
        "question,answer\nCaf\xe9?,1\n".encode("latin-1"),
        MAPPED,
        ["a.csv line 2: byte 0xe9 is not UTF-8", "Save the file as UTF-8"],
    ),
    "CSV in UTF-16": (
        "a.csv",
        "question,answer\nOne?,1\n".encode("utf-16"),
        MAPPED,
        ["a.csv line 1: byte 0xff is not UTF-8", "Save the file as UTF-8"],
    ),
    "CSV with NUL": (
        "a.csv",
        b"question,answer\nOne\0?,1\n",
        MAPPED,
        ["a.csv row 0 (line 2)", "NUL character", "Remove it"],
    ),
    "cut CSV": (
        "a.csv.gz",
        gzip.compress(b"question,answer\nOne?,1\n" * 50, mtime=0)[:-12],
        MAPPED,
        ["a.csv.gz", "damaged or cut gzip", "Fetch it again"],
    ),
    "steps are words in CSV": (
        "a.csv",
        b"question,answer,n\nq,1,3\nq,1,3.5\n",
        {"format": "columns", "columns": {**MAPPED["columns"], "steps": "n"}},
        ["a.csv row 1 (line 3)", "the steps are '3.5'", "whole number from 0"],
    ),
    "unknown variant": (
        "a.json",
        json.dumps(
            [{**GOOD, "pair_id": 1, "variant": "dirty", "answer": 1, "reasoning_steps": 2}]
        ).encode(),
        {"format": "cot_all"},
        ["a.json row 0", "the variant is 'dirty'", "clean or corrupted"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_message_names_place_and_mend(tmp_path, case):
    name, content, definition, words = CASES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_source("mine", definition, tmp_path / name)
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message
    assert len(message) < 1000


def test_what_a_row_is_recorded_with_stays_as_results_remember_it(tmp_path):
    """Whatever a user is told: these words are in the digest of every shard with such a row."""
    rows = json_lines({"question": None, "answer": 1}, {"question": "q", "answer": 1, "n": -1})
    (tmp_path / "a.jsonl").write_bytes(rows)
    columns = {**MAPPED["columns"], "steps": "n"}
    definition = {"format": "columns", "columns": columns, "bad_rows": "record"}
    assert [problem.error for problem in read_source("mine", definition, tmp_path / "a.jsonl")] == [
        "it has no 'n'. Add 'n' to the row.",
        "the steps are -1. Write a whole number from 0.",
    ]
    (tmp_path / "b.jsonl").write_bytes(_asked(None))
    _, problem = read_source("mine", {**GSM8K, "bad_rows": "record"}, tmp_path / "b.jsonl")
    assert problem.error == "the question is None, not text. Write the question as text."


MANY = {
    "columns by the million": (",".join(f"c{i}" for i in range(10**6)), "1,000,000 cells"),
    "one name a million times": ("a," * 999_999 + "a", "1,000,000 cells"),
    "columns without names": ("," * 9_000, "column 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 8,991 more"),
    "one name nine thousand times": ("a," * 9_000 + "a", "repeated column 'a'"),
    "a long name twice": ("a" * 10**6 + "," + "a" * 10**6, "repeated column 'aaaa"),
}


@pytest.mark.parametrize("header, told", MANY.values(), ids=MANY)
def test_headers_without_end_are_told_in_one_short_line(header, told, tmp_path):
    path = tmp_path / "source.csv"
    path.write_text(f"{header}\n1\n")
    with pytest.raises(BadInput) as caught:
        read_records(path)
    assert told in str(caught.value) and len(str(caught.value)) < 400 + len(str(path))


def test_repeated_keys_are_told_in_one_short_line(tmp_path):
    path = tmp_path / "source.jsonl"
    path.write_text("{" + ",".join(f'"key{i // 2}": 1' for i in range(100_000)) + "}\n")
    with pytest.raises(BadInput) as caught:
        read_records(path)
    assert "and 49,990 more" in str(caught.value) and len(str(caught.value)) < 400 + len(str(path))
