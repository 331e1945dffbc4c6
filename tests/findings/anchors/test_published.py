import hashlib
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotsieve.findings.anchors.export import (
    hub_rows,
    unpack_hub_table,
    write_hub_table,
    write_trace,
)
from cotsieve.findings.anchors.imported import sentences_of_published, texts_of_published
from cotsieve.findings.anchors.outcomes import published_outcomes
from cotsieve.findings.anchors.published import published_traces
from cotsieve.findings.anchors.trace_rollouts import RESAMPLED
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.prefixes import prefix


def test_the_golden_tree_comes_back_byte_for_byte(shared, tmp_path):
    golden = shared / "golden" / "thought_anchors"
    for trace in published_traces(golden / "math_rollouts"):
        write_trace(tmp_path / "tree", trace)
    found = [
        row | {"content_sha256": hashlib.sha256(row.pop("content").encode()).hexdigest()}
        for row in hub_rows(tmp_path / "tree")
    ]
    assert found == json.loads((golden / "hf_rows.json").read_text())
    write_hub_table(tmp_path / "tree", tmp_path / "hub.parquet", group_bytes=10_000)
    assert unpack_hub_table([tmp_path / "hub.parquet"], tmp_path / "again") == 20
    assert list(hub_rows(tmp_path / "again")) == list(hub_rows(tmp_path / "tree"))


def test_failed_entries_are_kept_apart(shared):
    (trace,) = published_traces(shared / "golden" / "thought_anchors" / "math_rollouts")
    assert trace.problem_id == "problem_9001"
    rows = published_outcomes(trace).to_pylist()
    failed = [row for row in rows if row["status"] == "error"]
    assert len(failed) == 3
    assert {row["published_answer"] for row in failed} == {None}
    assert {row["error"] for row in failed} >= {"'text'"}


def test_a_partial_folder(shared, tmp_path):
    name = "math_rollouts_partial_problem_5104.tar.gz"
    with tarfile.open(shared / "data" / "thought_anchors" / name) as packed:
        packed.extractall(tmp_path, filter="data")
    (trace,) = published_traces(tmp_path)
    sentences = list(sentences_of_published(trace))
    assert len(sentences) == 130
    assert [row["sentence"] for row in sentences if row["chosen"]] == list(range(13))
    assert len(texts_of_published(trace, RESAMPLED)) == 13 * 4
    for row in sentences:
        assert trace.thought[row["start"] : row["end"]].split() == row["text"].split()


def test_a_table_of_rollouts(shared):
    traces = list(published_traces(shared / "data" / "thought_anchors" / "strategyqa_rollouts"))
    assert len(traces) == 42
    assert sum(len(trace.chunks) for trace in traces) == 1199
    assert {len(found) for trace in traces for found in trace.rollouts.values()} == {100}


def test_every_golden_prefix(shared):
    path = shared / "golden" / "thought_anchors" / "prefix_cases.json"
    for case in json.loads(path.read_text())["prefix"]:
        for asked in case["requests"]:
            found = prefix(case["chunks"], asked["chunk_idx"], "reference")
            assert found == asked["prefix_without_chunk"]
            joined = prefix(case["chunks"], asked["chunk_idx"], "joined")
            assert joined == " ".join(case["chunks"][: asked["chunk_idx"]])


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "there is no problem_<id> folder"),
        ({"problem_1/chunks.json": '{"chunks": ["A."]}'}, "there is no problem.json"),
        (
            {
                "problem_1/chunks.json": '{"chunks": "A."}',
                "problem_1/problem.json": "{}",
                "problem_1/base_solution.json": "{}",
            },
            "no list of sentences",
        ),
        (
            {
                "problem_1/chunks.json": '{"chunks": [',
                "problem_1/problem.json": "{}",
                "problem_1/base_solution.json": "{}",
            },
            "cannot be read as JSON",
        ),
    ],
)
def test_a_folder_that_is_not_one_says_so(files, told, tmp_path):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(BadInput, match=told):
        list(published_traces(tmp_path))


def test_a_path_that_leads_out_is_refused(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.json").write_text("{}")
    rows = [row | {"path": "../out.json"} for row in hub_rows(tmp_path / "tree")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hub.parquet")
    with pytest.raises(BadInput, match="leads out"):
        unpack_hub_table([tmp_path / "hub.parquet"], tmp_path / "again")
    assert not (tmp_path / "out.json").exists()
