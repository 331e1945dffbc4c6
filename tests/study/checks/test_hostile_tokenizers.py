"""Tokenizers that explode on a question end in one line, and not in the process that asks."""

import json
import shutil
from pathlib import Path

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.study.checks import questions
from cotsieve.study.checks.templates import told_prompts
from cotsieve.study.settings.models import Style
from cotsieve.weights.architecture import read_architecture

BASE = Path(__file__).resolve().parents[3] / "resources/models/tiny-codi/base"


def split(pattern: str) -> dict:
    how = {"behavior": "Isolated", "invert": False, "pattern": {"Regex": pattern}}
    return {"pre_tokenizer": {"type": "Split", **how}}


def replaced(times: int) -> dict:
    one = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
    return {"normalizer": {"type": "Sequence", "normalizers": [one] * times}}


CHANGES = {
    "an expression that explodes": split("(a+)+$b"),
    "an expression that is none": split("(("),
    "a normaliser that fills memory": replaced(6),
    "a normaliser of garbage": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA////"}
    },
    "padding without end": {
        "padding": {
            "strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "x",
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_tokenizer_that_explodes(change, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(questions, "TOKENIZER_SECONDS", 3)
    base = tmp_path / "base"
    shutil.copytree(BASE, base)
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    (base / "tokenizer.json").write_text(json.dumps(tokenizer | change))
    with pytest.raises(BadInput) as caught:
        questions._counted(base, read_architecture(base), True, ["a" * 99_000])
    told = str(caught.value)
    assert len(told.splitlines()) == 1 and "its tokenizer can" in told and str(base) in told
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_that_explodes_on_a_tag(tmp_path):
    shutil.copy(BASE / "tokenizer.json", tmp_path)
    tokenizer = json.loads((BASE / "tokenizer.json").read_text())
    grown = {"type": "Prepend", "prepend": "a" * 1_000_000}
    how = replaced(4)
    how["normalizer"]["normalizers"].insert(0, grown)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer | how))
    with pytest.raises(BadInput, match="its tokenizer cannot read the tags"):
        told_prompts("m", "models.m.style", tmp_path, Style())
