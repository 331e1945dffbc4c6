"""Weight files of every layout are read; damaged ones are named."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from make_codi import save_state
from torch import Tensor

from cotsieve.ground.faults import BadInput
from cotsieve.weights.files import read_state
from cotsieve.weights.layout import weight_files

STATE = {f"tensor.{i}": torch.arange(6.0).reshape(2, 3) + i for i in range(4)}
SHARDS = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
FILES = {
    "safetensors": ["model.safetensors"],
    "bin": ["pytorch_model.bin"],
    "sharded": ["model.safetensors.index.json", *SHARDS],
    "sharded-bin": [
        "pytorch_model.bin.index.json",
        *(f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)),
    ],
}


def same(state: dict[str, Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(t.equal(STATE[name]) for name, t in state.items())


@pytest.mark.parametrize("format", FILES)
def test_each_layout(format: str, tmp_path: Path):
    save_state(tmp_path, STATE, format)
    (tmp_path / "training_args.bin").write_bytes(b"not read")
    assert [path.name for path in weight_files(tmp_path)] == FILES[format]
    assert same(read_state(tmp_path))
    head = tmp_path / FILES[format][0]
    assert weight_files(head) == weight_files(tmp_path)
    assert same(read_state(head))


def test_the_first_layout_wins(tmp_path: Path):
    save_state(tmp_path, {"other": torch.ones(1)}, "sharded-bin")
    for format in ("bin", "sharded", "safetensors"):
        save_state(tmp_path, STATE, format)
        assert weight_files(tmp_path)[0].name == FILES[format][0]
        assert same(read_state(tmp_path))


def test_files_older_than_the_zip_layout(tmp_path: Path):
    file = tmp_path / "pytorch_model.bin"
    torch.save(STATE, file, _use_new_zipfile_serialization=False)
    assert same(read_state(file))


class Dangerous:
    """Pickles as a call, which a restricted unpickler must not make."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("touched"),))


def nothing(folder: Path) -> None:
    (folder / "adapter_model.safetensors").touch()


def truncated(format: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        save_state(folder, STATE, format)
        file = folder / FILES[format][-1]
        file.write_bytes(file.read_bytes()[:-20])

    return make


def dangerous_pickle(folder: Path) -> None:
    torch.save({"tensor": Dangerous()}, folder / "pytorch_model.bin")


def plain_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Dangerous(), protocol=2))


def training_state(folder: Path) -> None:
    torch.save({"epoch": 3, "model": STATE, "x": torch.ones(1)}, folder / "pytorch_model.bin")


def one_tensor(folder: Path) -> None:
    torch.save(torch.ones(2), folder / "pytorch_model.bin")


def missing_shard(folder: Path) -> None:
    save_state(folder, STATE, "sharded")
    (folder / SHARDS[1]).unlink()


def index_with(change: Callable[[dict], dict]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        save_state(folder, STATE, "sharded")
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps(change(json.loads(index.read_text()))))

    return make


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (folder / "model.safetensors").write_text(text)


def entry(name: str, file: str | None) -> Callable[[dict], dict]:
    def change(index: dict) -> dict:
        where = {k: v for k, v in index["weight_map"].items() if k != name}
        return {"weight_map": where | ({name: file} if file else {})}

    return change


BAD = {
    "no folder": (Path.rmdir, ["there is no such file or folder", "path"]),
    "no weight file": (nothing, ["only adapter_model.safetensors", "pytorch_model.bin", "name"]),
    "empty file": (lambda f: (f / "model.safetensors").touch(), ["model.safetensors: is empty"]),
    "pointer": (pointer, ["model.safetensors: is a Git LFS pointer", "git lfs pull"]),
    "truncated safetensors": (truncated("safetensors"), ["model.safetensors: is trunc", "again"]),
    "truncated pickle": (truncated("bin"), ["pytorch_model.bin: cannot be read", "Fetch"]),
    "truncated shard": (truncated("sharded-bin"), [FILES["sharded-bin"][2], "Fetch"]),
    "call in a pickle": (dangerous_pickle, ["cannot be read as weights", "refused"]),
    "call in a bare pickle": (plain_pickle, ["is no checkpoint", "Fetch the file again"]),
    "training state": (training_state, ["epoch: is a int", "model: is a dict", "state_dict"]),
    "one tensor": (one_tensor, ["holds a Tensor, not named tensors", "state_dict"]),
    "missing shard": (missing_shard, [SHARDS[1], "missing", "Fetch this shard"]),
    "index not JSON": (
        lambda f: (f / "pytorch_model.bin.index.json").write_text("{"),
        ["pytorch_model.bin.index.json: is not an index"],
    ),
    "index without map": (index_with(lambda _: {}), ["is not an index of shards"]),
    "index of nothing": (index_with(lambda _: {"weight_map": {}}), ["lists no tensors"]),
    "index leaving the folder": (
        index_with(entry("tensor.0", "../model.safetensors")),
        ["tensor.0", "'../model.safetensors' is not the name of a file beside"],
    ),
    "tensor not in its shard": (
        index_with(entry("tensor.9", SHARDS[0])),
        [f"index.json: tensor.9: is not in its shard {SHARDS[0]}", "one revision"],
    ),
    "tensor not in the index": (
        index_with(entry("tensor.0", None)),
        [f"{SHARDS[0]}: tensor.0: is not listed for this file in model.safetensors.index.json"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_damage_is_named_with_file_and_mend(case: str, tmp_path: Path, monkeypatch):
    make, expected = BAD[case]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    make(folder)
    with pytest.raises(BadInput) as caught:
        read_state(folder)
    message = str(caught.value)
    assert str(folder) in message and all(part in message for part in expected), message
    assert not Path("touched").exists()
