"""Names and shapes read from headers tell what loading the weights would tell."""

import pickle
from pathlib import Path

import pytest
import torch
from make_codi import MadeCodi, make_codi, save_state
from test_bad_checkpoints import BAD

from cotsieve.ground.faults import BadInput
from cotsieve.weights.architecture import read_architecture
from cotsieve.weights.check import checked_codi, checked_headers
from cotsieve.weights.codi_checkpoint import load_codi
from cotsieve.weights.headers import read_headers
from cotsieve.weights.layout import weight_files

FORMATS = ("bin", "safetensors", "sharded", "sharded-bin")
ONLY_VALUES_TELL = ("not finite", "quantised", "ranks differ")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    return make_codi(tmp_path_factory.mktemp("llama"), "llama")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
def test_headers_are_those_of_the_tensors(family: str, format: str, tmp_path: Path):
    made = make_codi(tmp_path, family, format=format)
    found = checked_codi(made.checkpoint, made.base, read_architecture(made.base), made.alpha)
    assert {name: header.shape for name, header in found.items()} == {
        name: tuple(tensor.shape) for name, tensor in made.state.items()
    }
    assert {header.bits for header in found.values()} == {16, 32}


def test_a_plain_language_model(tmp_path: Path):
    made = make_codi(tmp_path, "qwen2")
    model = made.stock_model()
    model.save_pretrained(tmp_path / "plain")
    shape = read_architecture(tmp_path / "plain")  # its three added tokens are its own
    files = weight_files(tmp_path / "plain")
    assert len(checked_headers(files, shape)) == len(read_headers(files[0])) > 10
    with pytest.raises(BadInput, match="codi"):
        checked_codi(tmp_path / "plain", tmp_path / "plain", shape, 1.0)


@pytest.mark.parametrize("case", [case for case in BAD if case not in ONLY_VALUES_TELL])
def test_the_same_tensors_are_found_wrong(case: str, llama: MadeCodi, tmp_path: Path):
    save_state(tmp_path, BAD[case][0](llama.state), "bin")
    with pytest.raises(BadInput) as loading:
        load_codi(tmp_path, llama.base, llama.rank, llama.alpha)
    with pytest.raises(BadInput) as looking:
        checked_codi(tmp_path, llama.base, read_architecture(llama.base), llama.alpha)
    found = [finding.where for finding in looking.value.findings]
    assert found == [finding.where for finding in loading.value.findings][: len(found)]


class Dangerous:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("touched"),))


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(b"PK\3\4 cut")])
def test_a_pickle_that_would_run_code_is_not_run(save, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    save({"tensor": Dangerous()}, path)
    with pytest.raises(BadInput, match="cannot be read as weights"):
        read_headers(path)
    assert not (tmp_path / "touched").exists()


def test_a_bare_pickle_is_no_checkpoint_and_runs_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps(Dangerous(), protocol=2))
    with pytest.raises(BadInput, match="is no checkpoint"):
        read_headers(path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(bytes(range(7, 200)), "is no checkpoint "), (b"\n<!doctype html>", "but a web page")],
)
def test_bytes_that_are_no_checkpoint_are_named(content: bytes, words: str, tmp_path: Path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_headers(path)


def test_a_file_from_before_the_zip_layout_gives_no_headers(tmp_path: Path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)
    assert read_headers(path) == {}


@pytest.mark.parametrize("format", ["bin", "safetensors"])
@pytest.mark.parametrize("left", [0, 5, 60, 0.5, 0.999])
def test_a_cut_file_is_named(format: str, left: float, llama: MadeCodi, tmp_path: Path):
    save_state(tmp_path, llama.state, format)
    (path,) = weight_files(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(left if left >= 1 else left * len(data))])
    with pytest.raises(BadInput) as caught:
        read_headers(path)
    assert str(path) in str(caught.value)


def test_a_safetensors_header_of_any_bytes_is_refused_or_read(llama: MadeCodi, tmp_path: Path):
    save_state(tmp_path, llama.state, "safetensors")
    (path,) = weight_files(tmp_path)
    data = path.read_bytes()
    for at in range(0, 400, 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        try:
            assert read_headers(path)
        except BadInput as error:
            assert str(path) in str(error)
