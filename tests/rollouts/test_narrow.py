"""Precision `exact`: the rows of float32, whatever the 16-bit part of the run did."""

import json
import logging
import re
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import torch
from make_codi import MadeCodi
from test_latent_rows import RECIPE, run, texts
from tiny import load

from cotsieve.engine.decoding import NOT_FINITE, Completion
from cotsieve.engine.devices import IN_NARROW_FORMATS, MOST, ON_CPU, rows_that_fit
from cotsieve.engine.latent import narrow, settling
from cotsieve.engine.latent.model import load_latent_model
from cotsieve.engine.latent.narrow import LEAST_LEADS, WAVE, Doubt, exact_format, lead_of
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.latent_rows import generate
from cotsieve.rollouts.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "resources" / "models" / "tiny-codi"


@pytest.mark.parametrize("least", [0.1, float("inf")])
@pytest.mark.parametrize("held", [12, 10_000])
def test_exact_gives_the_rows_of_float32(made: MadeCodi, least, held, caplog, monkeypatch):
    wanted = texts(run(load(made)))
    model = load(made, 16, precision="exact")
    assert model.engine.decoder.dtype == torch.float16
    assert model.gate.engine().decoder.dtype == torch.float32
    model = replace(model, gate=replace(model.gate, doubt=Doubt(least, wave=3)))
    monkeypatch.setattr(narrow, "SAME", 3)
    monkeypatch.setattr(settling, "HELD", held)
    with caplog.at_level(logging.INFO):
        assert texts(run(model)) == wanted
    again, of, lead, changed = told(caplog.text)
    assert of == len(wanted) and 2 * changed <= lead and least <= lead
    assert again == of if least == float("inf") else 3 <= again <= of


def told(log: str) -> tuple[int, int, float, float]:
    """Rows run again, rows in all, the lead of all that are sure, the largest that was not."""
    pattern = (
        r"(\d+) of (\d+) rows ran again in float32, all with a lead up to (\S+) among them; "
        r"none with one over (\S+) came out otherwise"
    )
    again, of, lead, changed = re.search(pattern, log).groups()
    return int(again), int(of), float(lead), float(changed)


def test_few_rows_run_in_float32_alone(made: MadeCodi, monkeypatch):
    model = load(made, 16, precision="exact")
    monkeypatch.setattr(model.engine, "run", None)
    assert texts(run(model)) == texts(run(load(made)))


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
    again, of, lead, _ = told(caplog.text)
    assert of == 2 * len(problems) and WAVE <= again < 0.4 * of
    assert LEAST_LEADS["fp16"] <= lead < 0.2


def test_rows_beyond_the_range_of_a_format_are_run_again(made: MadeCodi):
    """A hot embedding overflows in 16 bits only."""
    wide, narrow = load(made), load(made, precision="exact")
    wanted = texts(run(wide))
    for block in narrow.engine.decoder.blocks[:1]:
        block.narrow.weight = block.narrow.weight * 60000
    assert texts(run(narrow)) == wanted


def row(lead: float, token: int = 1) -> Completion:
    return Completion((token,), "stop", lead)


def test_how_sure_a_row_is():
    assert lead_of(row(0.3)) == 0.3
    assert lead_of(replace(row(0.3), choice_gap=0.1)) == 0.1
    assert lead_of(Completion((), "failed", nan, NOT_FINITE)) == -inf
    assert lead_of(Completion((), "failed", nan, "out of memory")) == inf


def run_again(doubt: Doubt, leads: list[float], changed: set[float]) -> list[float]:
    """What is left when nothing is in doubt any more."""
    while count := doubt.wanted(leads):
        for lead in leads[:count]:
            doubt.learn(row(lead), row(lead, token=2 if lead in changed else 1))
        leads = leads[count:]
    return leads


LEADS = [number / 1000 for number in range(2000)]


@pytest.mark.parametrize(
    ("changed", "sure"),
    [
        (set(), 0.128),  # many rows alike are asked for, whatever their leads
        ({0.03}, 0.128),
        ({0.0, 0.09}, 0.256),  # 64 rows above it are asked for, and twice its lead
        ({0.1, 0.19}, 0.384),
        ({0.1, 0.2, 0.4}, 0.801),
        ({0.05, 1.0}, 0.128),  # nothing points to the second
        (set(LEADS), None),
    ],
)
def test_doubt_goes_as_far_as_twice_the_largest_lead_that_changed(changed: set, sure):
    left = run_again(Doubt(0.05, wave=128), LEADS, changed)
    assert (left[0] if left else None) == sure


def test_doubt_learnt_from_one_part_holds_for_the_next():
    doubt = Doubt(0.05, wave=128)
    run_again(doubt, LEADS, {0.1})
    assert run_again(doubt, LEADS, set())[0] == 0.201
    failed = Completion((), "failed", nan, NOT_FINITE)
    doubt.learn(failed, row(5.0))
    assert doubt.lead == 0.2


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
