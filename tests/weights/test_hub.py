"""Models are found locally, fetched once, and served from the cache when the hub is away."""

from pathlib import Path

import pytest
from hub_server import COMMIT, go_offline, hub_fixture
from huggingface_hub import constants

from cotsieve.ground.faults import BadInput
from cotsieve.weights.hub import resolve

BIN = ["README.md", "config.json", "pytorch_model.bin", "tokenizer.json", "vocab.json"]
REPOSITORIES = {
    "owner/bin": BIN,
    "owner/both": ["model.safetensors", *BIN],
    "owner/sharded": ["model-00001-of-00001.safetensors", "model.safetensors.index.json", *BIN],
    "owner/none": ["README.md", "adapter_model.safetensors"],
}
CONTENTS = {name: {file: file.encode() for file in files} for name, files in REPOSITORIES.items()}


hub = hub_fixture(CONTENTS)


def test_an_existing_path_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "bin").mkdir(parents=True)
    assert resolve("owner/bin", None, "checkpoint") == Path("owner/bin")
    file = tmp_path / "weights.bin"
    file.touch()
    assert resolve(str(file), "main", "checkpoint") == file


CHECKPOINTS = {
    "owner/bin": {"pytorch_model.bin"},
    "owner/both": {"model.safetensors"},
    "owner/sharded": {"model-00001-of-00001.safetensors", "model.safetensors.index.json"},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_only_the_preferred_weights_are_fetched_and_then_kept(name: str, hub, monkeypatch):
    folder = resolve(name, None, "checkpoint")
    assert {path.name for path in folder.iterdir()} == CHECKPOINTS[name]
    go_offline(monkeypatch)
    assert resolve(name, None, "checkpoint") == folder
    assert resolve(name, COMMIT, "checkpoint") == folder


def test_a_base_model_is_fetched_without_weights(hub, monkeypatch):
    folder = resolve("owner/both", None, "base")
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "vocab.json",
    }
    go_offline(monkeypatch)
    assert resolve("owner/both", None, "base") == folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/missing", ["no such local folder", "hub repository", "spelling", "hf auth login"]),
        ("owner/gated", ["gated", "Ask for access", "hf auth login"]),
        ("owner/revised", ["at revision v9", "no such revision", "branch, tag or commit"]),
        ("owner/down", ["could not be reached", "500", "connection"]),
        ("owner/none", ["none of model.safetensors", "with weights"]),
        ("./models/codi", ["no such folder", "Correct the path"]),
        ("results/models/codi", ["no such folder", "Correct the path"]),
        ("owner/with space", ["no hub repository id", "owner/name"]),
    ],
)
def test_what_cannot_be_had_is_explained(name: str, expected: list[str], hub):
    with pytest.raises(BadInput) as caught:
        resolve(name, "v9" if name == "owner/revised" else None, "checkpoint")
    assert name in str(caught.value)
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_offline_without_a_cached_copy(hub, monkeypatch):
    go_offline(monkeypatch)
    with pytest.raises(BadInput, match=r"owner/bin.*could not be reached.*local folder"):
        resolve("owner/bin", None, "base")


def test_a_hub_that_does_not_answer(hub, monkeypatch):
    folder = resolve("owner/bin", None, "checkpoint")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert resolve("owner/bin", None, "checkpoint") == folder
    with pytest.raises(BadInput, match=r"owner/both.*could not be reached.*connection"):
        resolve("owner/both", None, "checkpoint")
