"""A split becomes one file: fetched once, served from the cache when the hub is away."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, go_offline, hub_fixture
from huggingface_hub import constants

from cotsieve.ground.faults import BadInput
from cotsieve.problems.hub_split import fetch_split


def parquet(**columns: list) -> bytes:
    sink = io.BytesIO()
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata({"n": str(table.num_rows)}), sink)
    return sink.getvalue()


def rows(*numbers: int) -> bytes:
    return parquet(question=[f"How many is {number}?" for number in numbers], n=list(numbers))


REPOSITORIES = {
    "owner/named": {
        "README.md": b"",
        "main/test-00000-of-00001.parquet": rows(1, 2),
        "main/train-00001-of-00002.parquet": rows(5),
        "main/train-00000-of-00002.parquet": rows(3, 4),
        "socratic/test-00000-of-00001.parquet": rows(6),
    },
    "owner/data": {
        "data/test-00000-of-00001-a09b74b3ef9c3b56.parquet": rows(1),
        "data/train-00000-of-00001.parquet": rows(2),
    },
    "owner/root": {"test.parquet": rows(1), "train.parquet": rows(2)},
    "owner/converted": {f"main/test/{n:04}.parquet": rows(n) for n in (2, 0, 1)},
    "owner/broken": {"test-00000-of-00001.parquet": rows(1)[:-20]},
    "owner/torn": {"test-00000-of-00002.parquet": rows(1)},
    "owner/unequal": {
        "test-00000-of-00002.parquet": rows(1),
        "test-00001-of-00002.parquet": parquet(question=["2"]),
    },
}


hub = hub_fixture(REPOSITORIES)


def hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def fetched(folder: Path, repo: str, config: str, split: str) -> list[int]:
    """The numbers in the fetched rows, in order."""
    output = folder / "sources" / "source.parquet"
    fetch_split(repo, config, split, COMMIT, output)
    assert [path.name for path in output.parent.iterdir()] == ["source.parquet"]
    table = pq.read_table(output)
    assert table.column_names == ["question", "n"] and not table.schema.metadata
    return table["n"].to_pylist()


@pytest.mark.parametrize(
    ("repo", "config", "split", "numbers"),
    [
        ("owner/named", "main", "test", [1, 2]),
        ("owner/named", "main", "train", [3, 4, 5]),
        ("owner/named", "socratic", "test", [6]),
        ("owner/data", "default", "test", [1]),
        ("owner/data", "main", "test", [1]),
        ("owner/root", "default", "train", [2]),
        ("owner/converted", "main", "test", [0, 1, 2]),
        ("owner/converted", "default", "test", [0, 1, 2]),
    ],
)
def test_a_split_is_fetched_whole_and_in_order(repo, config, split, numbers, hub, tmp_path):
    assert fetched(tmp_path, repo, config, split) == numbers


@pytest.mark.parametrize("leave", [go_offline, hang_up])
def test_a_cached_commit_needs_no_hub(leave, hub, tmp_path, monkeypatch):
    assert fetched(tmp_path, "owner/named", "main", "train") == [3, 4, 5]
    leave(monkeypatch)
    (tmp_path / "sources" / "source.parquet").unlink()
    assert fetched(tmp_path, "owner/named", "main", "train") == [3, 4, 5]
    for repo, split in (("owner/named", "test"), ("owner/data", "train")):
        with pytest.raises(BadInput, match=f"{repo} at 0123.*the hub could not be reached"):
            fetched(tmp_path, repo, "main", split)


@pytest.mark.parametrize("kept", ["owner/named", "owner/converted"])
def test_half_a_cached_split_is_not_served(kept, hub, tmp_path, monkeypatch):
    split = "train" if kept == "owner/named" else "test"
    fetched(tmp_path, kept, "main", split)
    first = min((tmp_path / "cache").rglob("*/main/**/*0000*.parquet"))
    first.unlink()
    go_offline(monkeypatch)
    with pytest.raises(BadInput, match="the hub could not be reached"):
        fetched(tmp_path, kept, "main", split)


@pytest.mark.parametrize(
    ("repo", "config", "split", "expected"),
    [
        ("owner/missing", "main", "test", ["no such", "spelling", "hf auth login"]),
        ("owner/gated", "main", "test", ["gated", "Ask for access", "hf auth login"]),
        ("owner/revised", "main", "test", ["no such revision", "branch, tag or commit"]),
        ("owner/down", "main", "test", ["could not be reached", "connection"]),
        ("owner/with space", "main", "test", ["no hub repository id", "owner/name"]),
        ("owner/named", "main", "dev", ["'dev'", "main: test, train; socratic: test"]),
        ("owner/named", "default", "test", ["'default'", "main: test, train; socratic: test"]),
        ("owner/named", "other", "test", ["'other'", "main: test, train; socratic: test"]),
        ("owner/torn", "default", "test", ["not numbers 0 to 1", "test-00000-of-00002"]),
        ("owner/unequal", "default", "test", ["columns differ", "test-00000-of-00002"]),
        ("owner/broken", "default", "test", ["damaged", "rm '", "/blobs/"]),
    ],
)
def test_what_cannot_be_had_is_explained(repo, config, split, expected, hub, tmp_path):
    with pytest.raises(BadInput) as caught:
        fetch_split(repo, config, split, COMMIT, tmp_path / "sources" / "source.parquet")
    (finding,) = caught.value.findings
    assert all(part in str(finding) for part in expected), str(finding)
    assert repo in finding.where or repo.replace("/", "--") in finding.where
    assert not list(tmp_path.glob("sources/*"))


def test_a_damaged_copy_is_mended_as_told(hub, tmp_path):
    assert fetched(tmp_path, "owner/root", "default", "test") == [1]
    (blob,) = (tmp_path / "cache").rglob("blobs/*")
    blob.write_bytes(blob.read_bytes()[:-20])
    with pytest.raises(BadInput, match=rf"rm '{blob}'"):
        fetched(tmp_path, "owner/root", "default", "test")
    blob.unlink()
    assert fetched(tmp_path, "owner/root", "default", "test") == [1]
