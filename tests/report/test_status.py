"""A study's state is read from its folder alone."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from cotsieve.ground import tables
from cotsieve.ground.checkout import ROOT
from cotsieve.ground.faults import BadInput
from cotsieve.ground.joblog import logging_to
from cotsieve.report.status import OF_BASELINE, status, status_text, told
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

SHARD, CONDITIONS = 10, 3


@pytest.fixture
def study(tmp_path: Path) -> dict:
    rows = [
        {"question": f"What is {n}+1?", "answer": f"<<{n}+1={n + 1}>>\n#### {n + 1}"}
        for n in range(4 * SHARD)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    zero = {"operation": "zero", "layer": "middle"}
    return {
        "study": "toy",
        "sources": {"toy": {"path": str(tmp_path / "p.jsonl")}},
        "models": {"tiny": {"checkpoint": "a", "base": "b", "lora": {"alpha": 2.0}}},
        "sweeps": {"main": {"conditions": {"zero": zero, "mean": zero | {"operation": "mean"}}}},
        "sieve": {"sweep": "main", "ablation": "zero"},
        "draw": {"targets": {"2-step": 3}},
        "engine": {"shard_size": SHARD},
    }


def write_rows(path: Path, count: int, failed: int = 0) -> None:
    rows = [
        {"problem_id": f"{index}", "condition": "zero", "sample": 0, "row_key": str(index),
         "finish_reason": "failed" if index < failed else "stop",
         "error": "too long" if index < failed else None}
        for index in range(count)
    ]  # fmt: skip
    tables.write(pa.Table.from_pylist(rows, schema=ROLLOUTS), path, ROLLOUTS)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Shard 0 is done with two failed rows, 1 partial, 2 failed, 3 missing."""
    folder = tmp_path / "results" / "toy"
    write_rows(folder / "rollouts/tiny/main/toy/0000.parquet", SHARD * CONDITIONS, failed=2)
    write_rows(folder / "kept/tiny/toy/00000010-00000019.main.parts/000001.parquet", 6)
    (folder / "benchmarks/generate/tiny/main/toy").mkdir(parents=True)
    (folder / "benchmarks/generate/tiny/main/toy/0000.tsv").write_text("s\tmax_rss\n60.0\t512\n")
    (folder / "logs/generate/tiny/main/toy").mkdir(parents=True)
    log = folder / "logs/generate/tiny/main/toy/0002.log"
    log.write_text("2026-01-01 00:00:00,000 ERROR no such model\n")
    return folder


def test_every_shard_is_counted_in_one_state(study, results):
    (found,) = status(Plan(read_study(study)), results)
    assert (found.model, found.sweep, found.shards) == ("tiny", "main", 4)
    assert (found.done, found.partial, found.failed, found.missing) == (1, 1, 1, 1)
    assert (found.rows, found.rows_done) == (4 * SHARD * CONDITIONS, SHARD * CONDITIONS + 6)
    assert dict(found.failures) == {"too long": 2}


def test_a_table_that_is_cut_is_told_and_stops_nothing(study, results):
    table = results / "rollouts/tiny/main/toy/0000.parquet"
    table.write_bytes(table.read_bytes()[:-200])
    (found,) = status(Plan(read_study(study)), results)
    (told,) = found.failures
    assert told.startswith(f"{table} cannot be read")
    assert found.left is None, "its job tells no speed"


def test_time_left_follows_from_the_time_spent(study, results):
    (found,) = status(Plan(read_study(study)), results)
    assert found.seconds == 60.0
    assert found.left == pytest.approx((found.rows - found.rows_done) * 60.0 / 30)


def test_a_study_that_has_not_begun_is_missing_whole(study, tmp_path):
    (found,) = status(Plan(read_study(study)), tmp_path / "nothing")
    assert (found.missing, found.rows_done, found.left) == (4, 0, None)
    assert "?" in status_text("toy", [found])


def test_the_table_says_it_in_words(study, results, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    text = told(file, results.parent)
    assert "36 of 120" in text and "2 × too long (tiny, main)" in text


def test_no_time_is_not_a_second(study, results, tmp_path):
    """A job told at all takes a second or more; no job, and no work left, take none."""
    plan = Plan(read_study(study))
    (begun,) = status(plan, tmp_path / "nothing")
    assert status_text("toy", [begun]).splitlines()[-1].split()[-3:] == ["0", "s", "?"]
    for shard in range(4):
        write_rows(results / f"rollouts/tiny/main/toy/{shard:04d}.parquet", SHARD * CONDITIONS)
    (ended,) = status(plan, results)
    assert status_text("toy", [ended]).splitlines()[3].split()[-4:] == ["60", "s", "0", "s"]


def test_a_reason_is_told_once_with_all_its_rows(study, results):
    (found,) = status(Plan(read_study(study)), results)
    traced = found._replace(sweep="traces", failures=Counter({"too long": 1}))
    ablated = found._replace(
        sweep="words", failures=Counter({"too long": 1, "its baseline failed: too long": 8})
    )
    text = status_text("toy", [traced, ablated])
    assert "\n10 × too long (tiny, traces: 1; tiny, words: 9)\n" in text
    assert text.count("too long") == 1


def test_many_reasons_are_summed_up(study, results):
    (found,) = status(Plan(read_study(study)), results)
    many = Counter({f"too long: {tokens} tokens": 30 - tokens for tokens in range(15)})
    text = status_text("toy", [found._replace(failures=many)])
    assert f"{sum(30 - tokens for tokens in range(10, 15))} × 5 more reasons" in text


def test_the_reason_of_a_trace_and_of_what_starts_from_it_is_one():
    """As the engine words it; editing the engine for a shared name would cost GPU time."""
    words = (ROOT / "cotsieve/rollouts/written_rows.py").read_text("utf-8")
    assert f'error=f"{OF_BASELINE}{{item.error}}"' in words


def test_a_job_that_was_stopped_is_not_under_way(study, results):
    log = results / "logs/generate/tiny/main/toy/0003.log"
    with pytest.raises(SystemExit), logging_to(log):
        raise KeyboardInterrupt
    (found,) = status(Plan(read_study(study)), results)
    assert found.under_way == ()
    (told,) = found.stopped
    assert told.startswith("toy/0003 (") and "were stopped; the next run" in status_text(
        "", [found]
    )


def test_a_job_under_way_tells_how_far_it_is(study, results):
    log = results / "logs/generate/tiny/main/toy/0003.log"
    log.write_text("2026-01-01 00:00:00,000 INFO 5 of 10 problems done, 2 problems/s, 3 s left\n")
    (found,) = status(Plan(read_study(study)), results)
    (told,) = found.under_way
    assert told.startswith("toy/0003: 5 of 10 problems done, 2 problems/s, 3 s left (")
    assert told in status_text("toy", [found])


def test_a_wrong_study_is_told(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("study: toy\n")
    with pytest.raises(BadInput, match="sources"):
        told(file, tmp_path)
