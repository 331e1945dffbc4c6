"""Tokenizers that explode on a question end in one line, and not in the process that asks."""

import json
import shutil
from pathlib import Path

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import Problem
from cotsieve.study.checks import questions
from cotsieve.study.settings.models import Lora, Model
from cotsieve.weights.architecture import read_architecture

BASE = Path(__file__).resolve().parents[3] / "resources/models/tiny-codi/base"
LONG = Problem("a", "s", 0, "a" * 99_000, None, "1", 0, "2-step")


class Planned:
    """As much of a plan as counting the tokens of questions needs."""

    class study:
        sources = ("s",)

        @staticmethod
        def decoding_of(name):
            return type("D", (), {"max_new_tokens": 8})

        models = {"m": Model(checkpoint="a", base="b", lora=Lora(alpha=1.0))}  # noqa: RUF012

    def source_file(self, name):
        return BASE / "config.json"

    def problems(self, name):
        return [LONG]


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
    model, shape = Planned.study.models["m"], read_architecture(base)
    with pytest.raises(BadInput) as caught:
        questions.check_questions(Planned(), "m", model, base, shape, [])
    told = str(caught.value)
    assert len(told.splitlines()) == 1 and "its tokenizer can" in told and str(base) in told
    assert capfd.readouterr() == ("", "")
