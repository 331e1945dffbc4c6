"""Catalogues: the same problems from every container, found again, made again, never wrong."""

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.problems import cataloguing
from cotsieve.problems.catalogue import open_catalogue
from cotsieve.problems.files import segments

GSM8K = {"format": "gsm8k"}


def row(number: int) -> dict:
    return {"question": f"What is {number} + 1?", "answer": f"<<{number}+1>>\n#### {number + 1}"}


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in rows).encode()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of its own, and segments of some rows."""
    monkeypatch.setattr(cataloguing, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(segments, "SEGMENT", 2000)
    monkeypatch.setattr(segments, "_CHUNK", 300)
    monkeypatch.setattr(cataloguing, "GROUP_ROWS", 7)
    return tmp_path / "cache"


def parts(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.part")}


CONTAINERS = {
    "rows.jsonl": lambda rows: lines(rows).replace(b"\n", b" \r\n") + b"\r\n\n",
    "rows.jsonl.gz": lambda rows: gzip.compress(lines(rows), mtime=0),
    "rows.jsonl.zst": lambda rows: pa.Codec("zstd").compress(lines(rows), asbytes=True),
    "rows.json": lambda rows: json.dumps(rows).encode(),
    "rows.parquet": lambda rows: _parquet(rows),
}


def _parquet(rows: list[dict]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=30)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_holds_the_same_problems(tmp_path, name):
    rows = [row(number) for number in range(100)]
    (tmp_path / "plain.jsonl").write_bytes(lines(rows))
    (tmp_path / name).write_bytes(CONTAINERS[name](rows))
    plain = open_catalogue("a", GSM8K, tmp_path / "plain.jsonl")
    other = open_catalogue("a", GSM8K, tmp_path / name)
    assert list(other.problems()) == list(plain.problems())
    assert [problem.row for problem in plain.problems()] == list(range(100))
    assert np.array_equal(np.array(other.index), np.array(plain.index))
    chosen = np.array([3, 28, 29, 30, 99])
    assert [problem.row for problem in other.problems(chosen)] == chosen.tolist()


def test_of_a_file_that_grew_the_new_parts_are_made(tmp_path, cache):
    path = tmp_path / "rows.jsonl"
    rows = [row(number) for number in range(100)]
    path.write_bytes(lines(rows))
    open_catalogue("a", GSM8K, path)
    before = parts(cache)
    path.write_bytes(lines([*rows, row(200)]))
    assert len(open_catalogue("a", GSM8K, path).index) == 101
    after = parts(cache)
    assert before.items() <= after.items() and len(before) > 2 and len(after) == len(before) + 1
    os.utime(path, ns=(1, 1))  # touched: found by content
    open_catalogue("a", GSM8K, path)
    assert parts(cache) == after


def test_an_edited_row_is_seen_and_rows_move(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([row(number) for number in range(50)]))
    first = np.array(open_catalogue("a", GSM8K, path).index)
    path.write_bytes(lines([row(number) if number != 20 else row(77) for number in range(50)]))
    second = np.array(open_catalogue("a", GSM8K, path).index)
    assert np.flatnonzero(first["prompt"] != second["prompt"]).tolist() == [20]


@pytest.mark.parametrize("kind", ["*.catalogue", "*.part", "*.parquet"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_catalogue_never_gives_a_wrong_row(tmp_path, cache, kind, damage):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([row(number) for number in range(60)]))
    whole = list(open_catalogue("a", GSM8K, path).problems())
    for file in cache.rglob(kind):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.unlink()
        if damage != "gone":
            file.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    try:
        found = list(open_catalogue("a", GSM8K, path).problems())
    except BadInput as error:
        assert (
            kind == "*.parquet" and "catalogue is damaged" in str(error) and "rm -r" in str(error)
        )
    else:
        assert found == whole


def test_rows_are_selected_and_left_out_by_name(tmp_path):
    def messages(source: str, answer: str | None) -> dict:
        about = {"source": source, "reference_answer": answer}
        said = {"role": "assistant", "content": "", "info": {"answer_content": "It is."}}
        return {"messages": [{"role": "user", "content": f"{source}?", "info": about}, said]}

    path = tmp_path / "am.jsonl"
    rows = [messages("math", "1"), messages("code", "2"), messages("math", None)]
    path.write_bytes(lines(rows))
    where = {"messages.0.info.source": ["math"]}
    found = open_catalogue("am", {"format": "am", "where": where}, path)
    assert [problem.row for problem in found.problems()] == [0]
    reasons = {"messages.0.info.source is another": 1, "it has no reference_answer": 1}
    assert (found.left_out, found.rows) == (reasons, 3)


def test_columns_lead_into_lists_and_answers_are_latex(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        lines([{"turns": [{"text": "One?"}], "so": "\\boxed{\\frac12}"}, {"turns": []}])
    )
    columns = {"question": "turns.0.text", "solution": "so"}
    definition = {"format": "columns", "columns": columns, "answers": "boxed", "bad_rows": "record"}
    first, second = open_catalogue("a", definition, path).problems()
    assert (first.question, first.answer) == ("One?", "\\frac12")
    assert "it has no 'turns.0.text'" in second.error


def _catalogue(path: Path, cache: Path, results) -> None:
    cataloguing.CACHE = cache
    results.put(len(open_catalogue("a", GSM8K, path).index))


def test_two_at_once_make_one(tmp_path, cache):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([row(number) for number in range(3000)]))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    work = [context.Process(target=_catalogue, args=(path, cache, results)) for _ in range(2)]
    for process in work:
        process.start()
    assert [results.get(timeout=60) for _ in work] == [3000, 3000]
    for process in work:
        process.join()


def test_a_killed_one_is_gone_on_with(tmp_path, cache):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([row(number) for number in range(20_000)]))
    code = "import sys; from pathlib import Path; from cotsieve.problems.files import segments;"
    code += "segments.SEGMENT = 20_000;"
    code += "from cotsieve.problems.catalogue import open_catalogue;"
    code += f"open_catalogue('a', {GSM8K!r}, Path(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "COTSIEVE_CACHE": str(cache), "PYTHONPATH": str(Path.cwd())},
    )
    while not parts(cache) and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(open_catalogue("a", GSM8K, path).index) == 20_000


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cataloguing, "CACHE", tmp_path / "file")
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([row(number) for number in range(5)]))
    assert len(list(open_catalogue("a", GSM8K, path).problems())) == 5
