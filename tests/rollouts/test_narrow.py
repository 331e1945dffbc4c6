"""Precision `exact`: the rows of float32, whatever the 16-bit part of the run did."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from make_codi import MadeCodi
from test_generate import RECIPE, run, texts
from tiny import load

from cotsieve.problems.problem import Problem
from cotsieve.rollouts.batch_size import IN_NARROW_FORMATS, MOST, ON_CPU, rows_that_fit
from cotsieve.rollouts.decoding import NOT_FINITE, Completion
from cotsieve.rollouts.generate import generate
from cotsieve.rollouts.latent_model import load_latent_model
from cotsieve.rollouts.narrow import Gate, exact_format
from cotsieve.rollouts.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "resources" / "models" / "tiny-codi"


@pytest.mark.parametrize("margin", [0.1, float("inf")])
def test_exact_gives_the_rows_of_float32(made: MadeCodi, margin: float, caplog):
    wanted = texts(run(load(made)))
    model = load(made, 16, precision="exact")
    assert model.engine.decoder.dtype == torch.float16
    assert model.gate.engine().decoder.dtype == torch.float32
    model = replace(model, gate=Gate(margin, model.gate.engine))
    with caplog.at_level(logging.INFO):
        assert texts(run(model)) == wanted
    again = int(caplog.text.split(" rows are run again")[0].split()[-3])
    assert again == len(wanted) if margin == float("inf") else again < len(wanted)


def test_exact_on_the_demo_model_and_its_sample(caplog):
    lines = (ROOT / "resources/sample/problems.jsonl").read_text(encoding="utf-8").splitlines()
    problems = [
        Problem(f"sample_{i}", "sample", i, json.loads(line)["question"], None, "1", 2, "2-step")
        for i, line in enumerate(lines)
    ]
    recipe = Recipe(
        {"baseline": None, "zero": {"operation": "zero", "layer": "middle"}},
        RECIPE.identity,
        None,
    )

    def tokens(precision: str) -> dict:
        definition = {
            "lora": {"rank": 8, "alpha": 32},
            "precision": precision,
            "prompt_style": "codi-eval",
            "thoughts": 6,
            "remove_eos": True,
            "collapse_spaces": None,
        }
        model = load_latent_model(
            definition,
            {"base": str(DEMO / "base"), "checkpoint": str(DEMO)},
            {"max_new_tokens": 16, "stop_at": "eos"},
            device="cpu",
            batch_rows=128,
        )
        rows = [row for part in generate(model, recipe, problems) for row in part]
        return {(row["problem_id"], row["condition"]): row["token_ids"] for row in rows}

    with caplog.at_level(logging.INFO):
        assert tokens("exact") == tokens("float32")
    again = int(caplog.text.split(" rows are run again")[0].split()[-3])
    assert 0 < again < len(problems)


def test_rows_beyond_the_range_of_a_format_are_run_again(made: MadeCodi):
    """A hot embedding overflows in 16 bits only."""
    wide, narrow = load(made), load(made, precision="exact")
    wanted = texts(run(wide))
    for block in narrow.engine.decoder.blocks[:1]:
        block.narrow.weight = block.narrow.weight * 60000
    assert texts(run(narrow)) == wanted


def test_what_a_gate_doubts():
    gate = Gate(0.2, lambda: None)
    sure = Completion((1,), "stop", 0.3)
    assert not gate.doubts(sure)
    assert gate.doubts(replace(sure, margin=0.1))
    assert gate.doubts(replace(sure, choice_gap=0.1))
    assert gate.doubts(Completion((), "failed", float("nan"), NOT_FINITE))
    assert not gate.doubts(Completion((), "failed", float("nan"), "out of memory"))


@pytest.mark.parametrize(
    ("family", "largest", "chosen"),
    [("llama", 3.0, "fp16"), ("llama", 1e5, "bf16"), ("gpt2", 9.0, "fp16"), ("qwen2", 1.0, "bf16")],
)
def test_the_format_of_the_16_bit_part(family: str, largest: float, chosen: str):
    weights = {"a": torch.tensor([0.0, -largest]), "b": torch.empty(0)}
    assert exact_format(family, weights) == chosen


def test_the_rows_of_a_batch(made: MadeCodi):
    assert load(made, 7).engine.batch_rows == 7
    assert load(made, "auto").engine.batch_rows == ON_CPU
    assert load(made, "auto", precision="exact").engine.batch_rows == ON_CPU
    assert load(made, "auto", precision="bf16").engine.batch_rows == IN_NARROW_FORMATS
    assert rows_that_fit(0, 10) == 1
    assert rows_that_fit(10_000, 10) == 512
    assert rows_that_fit(10**12, 10) == MOST
