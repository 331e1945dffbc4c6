"""Model files made to exhaust whoever reads them: each is refused in a line, in little time."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import content_digest
from cotsieve.weights.architecture import MOST_LAYERS, read_architecture, read_config
from cotsieve.weights.headers import read_headers
from cotsieve.weights.layout import weight_files
from cotsieve.weights.outline import refuse_measureless, why_library

LLAMA = {
    "model_type": "llama", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 1, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 8,
}  # fmt: skip


def refused(call, *arguments) -> str:
    before = sum(os.times()[:4])  # processor seconds: other work may keep the machine busy
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    told = str(caught.value)
    assert sum(os.times()[:4]) - before < 12 and len(told) < 2_500
    assert len(told.splitlines()) == len(caught.value.findings) <= 21
    return told


def safetensors(header: str):
    def write(path: Path) -> None:
        path.write_bytes(struct.pack("<Q", len(header)) + header.encode())

    return write


def tensor(shape: str, ends: str = "[0,0]", name: str = "a") -> str:
    return f'{{"{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{ends}}}}}'


HEADERS = {
    "an infinite size": tensor("[1e400]"),
    "no number": tensor("[NaN]"),
    "an infinite end": tensor("[1]", "[0,1e400]"),
    "ends of text": tensor("[1]", '["0","1"]'),
    "deep": "[" * 100_000,
    "a list": "[1]",
    "a kind that is a list": '{"a":{"dtype":[],"shape":[1],"data_offsets":[0,0]}}',
    "a size of 5000 digits": tensor(f"[{'9' * 5_000}]"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_of_safetensors(header, tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(header)(path)
    assert "is truncated or damaged" in refused(read_headers, path)


def shared_tuples() -> bytes:
    """A key that is a pair of a pair …, whose digest takes 2^60 steps."""
    return b"\x80\x02}K\x01" + b"2\x86" * 60 + b"K\x01s."


PICKLES = {
    "a key of shared pairs": shared_tuples(),
    "a key nested without end": b"\x80\x02}K\x01" + b"\x85" * 300_000 + b"K\x01s.",
    "a number of 2 GiB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a text of a TiB": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".",
    "a memo of 2^31 places": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "a zip bomb": b"\x80\x02" + b"]" * 110_000_000 + b".",
    "keys that are none": pickle.dumps({1: 2, (1, 2): 3}, 2),
    "nothing": b"",
}


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_a_pickle(content, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", content)
    told = refused(read_headers, path)
    assert (
        "cannot be read as weights" in told
        or "not named tensors" in told
        or "holds no named tensors" in told
    )


@pytest.mark.parametrize("count", [0, 2])
def test_a_zip_of_no_or_several_pickles(count, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"")
        for number in range(count):
            archive.writestr(f"{number}/data.pkl", b"\x80\x02}.")
    assert f"it holds {count} pickles" in refused(read_headers, path)


CONFIGS = {
    "deep": '{"a":' * 100_000,
    "a list": "[]",
    "bytes": "\xff\xfe",
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("../blobs/0"),
}


@pytest.mark.parametrize("made", CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_is_none(made, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(made, "latin-1") if isinstance(made, str) else made(path)
    assert str(path) in refused(read_config, path)


SETTINGS = {
    "num_hidden_layers": [10**12, MOST_LAYERS + 1, 1e400, "1", True, 0],
    "vocab_size": [2**70, -1],
    "max_position_embeddings": [10**4000],
    "model_type": [[], {"a": 1}, None],
    "hidden_act": [["silu"], {"a": 1}],
    "rope_scaling": [[1], {"rope_type": []}, "linear"],
}


@pytest.mark.parametrize(
    "key, value", [(key, value) for key, values in SETTINGS.items() for value in values]
)
def test_a_setting_without_sense(key, value, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA | {key: value}))
    assert f"config.json: {key}: " in refused(read_architecture, tmp_path)


LIBRARY = [
    {"num_hidden_layers": 10**9}, {"n_layers": 10**6}, {"hidden_size": 2**40},
    {"num_local_experts": 10**7}, {"layer_types": ["a"] * 10**6}, {"model_type": {}},
    {"text_config": {"num_hidden_layers": 10**9}}, {"rope_scaling": {"rope_type": []}},
]  # fmt: skip


@pytest.mark.parametrize("config", LIBRARY, ids=lambda config: next(iter(config)))
def test_a_setting_the_library_would_work_on_for_hours(config):
    why_library(config)
    assert "config.json: " in refused(refuse_measureless, Path("config.json"), config)


INDEXES = {
    "deep": '{"weight_map":' * 50_000,
    "a list": "[]",
    "a NUL": json.dumps({"weight_map": {"a": "a\0b"}}),
    "a long name": json.dumps({"weight_map": {"a": "a" * 5_000}}),
    "a folder": json.dumps({"weight_map": {"a": "."}}),
    "a number": json.dumps({"weight_map": {"a": 1}}),
    "many": json.dumps({"weight_map": {f"t{n}": f"{n}" for n in range(100_000)}}),
}


@pytest.mark.parametrize("text", INDEXES.values(), ids=INDEXES)
def test_an_index_of_shards(text, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    assert "model.safetensors.index.json" in refused(weight_files, tmp_path)


@pytest.mark.parametrize("target", ["../blobs/gone", "model.safetensors"])
def test_a_link_that_leads_nowhere_has_no_digest(target, tmp_path):
    path = tmp_path / "model.safetensors"
    path.symlink_to(target)
    told = refused(content_digest, path)
    assert str(path) in told and "cannot be opened" in told
