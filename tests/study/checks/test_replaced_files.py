"""A model file that changed under its name is named before its results are made again."""

from pathlib import Path

import pytest
from make_codi import make_codi

from cotsieve.ground import tables
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.checks.replaced_files import replaced_files
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.models import Lora, Model


@pytest.fixture
def model(tmp_path: Path, monkeypatch) -> Model:
    monkeypatch.chdir(tmp_path)
    made = make_codi(tmp_path / "model", format="safetensors")
    model = Model(checkpoint=str(made.checkpoint), base=str(made.base), lora=Lora(alpha=2.0))
    origin = {"model": model_identity(model)}
    table = tmp_path / "results/rollouts/tiny/main/toy/0000.parquet"
    tables.write([], table, ROLLOUTS, origin)
    return model


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def test_a_flipped_bit_in_the_weights_is_named_with_its_mend(model, tmp_path):
    flip(tmp_path / model.checkpoint / "model.safetensors")
    (line,) = replaced_files(tmp_path / "results", "tiny", model)
    assert line.startswith("tiny: model.safetensors is not the file")
    assert line.endswith("fetch it again")


def test_the_same_files_are_not_spoken_of(model, tmp_path):
    assert replaced_files(tmp_path / "results", "tiny", model) == []


def test_without_sound_earlier_results_there_is_nothing_to_compare(model, tmp_path):
    flip(tmp_path / model.checkpoint / "model.safetensors")
    table = tmp_path / "results/rollouts/tiny/main/toy/0000.parquet"
    table.write_bytes(table.read_bytes()[:100])
    assert replaced_files(tmp_path / "results", "tiny", model) == []
