"""A row's key names all that the row depends on: no two rows that may differ share one."""

import ast
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from cotsieve.interventions.changed import DRAWN, READS_ANSWER
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe
from cotsieve.study.identity import ingredients
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.models import Decoding, Model, ReasoningModel, Style
from cotsieve.study.settings.part import Part, decided

PACKAGE = Path(__file__).resolve().parents[2] / "cotsieve"
PROBLEM = Problem("a", "toy", 0, "Two and two?", "", "4", None, "all", reasoning="It is 4.")
OTHER = Problem("b", "more", 1, "Two?", "So.", "5", 3, "3-step", "bad", 2, "Sums", "So 4.")
FIELDS = {field.name for field in fields(Problem)}
ALWAYS = {"question", "error"}
NEVER = FIELDS - ALWAYS - {"problem_id", "answer", "reasoning"}
"""Fields that no code reads which makes rows, as the last test sees."""
TEXTS = get_args(TextCondition.model_fields["reasoning"].annotation)
KINDS = [*TEXTS, *get_args(Condition.model_fields["operation"].annotation)]


def key(
    problem: Problem,
    definition: dict | None = None,
    *,
    temperature: float = 0.0,
    sample: int = 0,
    **model: Any,
) -> str:
    decoding = {"max_new_tokens": 8, "temperature": temperature}
    recipe = Recipe({"here": definition}, {"model": model, "decoding": decoding}, "donors")
    return recipe.row_key(problem, "here", sample)


def counting(definition: dict | None = None, **how: Any) -> set[str]:
    """The fields of a problem that change its key."""
    before = key(PROBLEM, definition, **how)
    changed = {name: replace(PROBLEM, **{name: getattr(OTHER, name)}) for name in FIELDS}
    return {name for name, other in changed.items() if key(other, definition, **how) != before}


def condition_of(kind: str) -> dict:
    return {"reasoning" if kind in TEXTS else "operation": kind}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("traces", ["own", "given"])
@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_every_field_that_a_row_may_read_is_in_its_key(kind, traces, temperature):
    found = counting(condition_of(kind), traces=traces, temperature=temperature)
    expected = set(ALWAYS)
    expected |= {"answer"} if kind in READS_ANSWER else set()
    expected |= {"reasoning"} if traces == "given" else set()
    expected |= {"problem_id"} if temperature or kind in (*DRAWN, "patch") else set()
    assert found == expected


def test_the_baseline_reads_the_question_alone():
    assert counting() == ALWAYS
    assert counting(traces="given") == ALWAYS | {"reasoning"}
    assert counting(temperature=0.6) == ALWAYS | {"problem_id"}


def test_no_code_that_makes_rows_reads_the_other_fields():
    """But `sentence_units.py`, which passes source and row on to the problem of a sentence."""
    read = set()
    for room in ("rollouts", "engine", "interventions"):
        for path in (PACKAGE / room).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            read |= {
                (node.attr, path.stem)
                for node in nodes
                if isinstance(node, ast.Attribute) and node.attr in NEVER
                if ast.unparse(node.value).rpartition(".")[2] == "problem"
            }
    assert read == {("source", "sentence_units"), ("row", "sentence_units")}


VALUES = {
    Condition: {
        "layer": 2, "component": "resid_pre", "thoughts": [1], "rest": "frozen", "scope": "seed",
        "read": "input", "scale": 2.0, "units": "absolute", "seed": 1, "activations": "file",
        "where": "numbers", "top": 5, "rescale": True, "token": "x", "strength": 1.0,
        "operation": "mean",
    },
    TextCondition: {
        "reasoning": "empty", "fraction": 0.5, "sentences": 2, "sentences_fraction": 0.5,
        "answer": "forced", "attention": "blocked", "filler": "neutral", "seed": 1,
    },
    Decoding: {
        "max_new_tokens": 9, "stop_at": "number", "temperature": 0.6, "top_p": 0.9, "seed": 1,
    },
    Model: {
        "thoughts": 5, "prompt_style": "seed", "remove_eos": False, "collapse_spaces": False,
        "precision": "bf16", "lora": {"alpha": 3.0}, "checkpoint": "other", "base": "other",
    },
    ReasoningModel: {
        "model": "other", "style": {"lead": ""}, "traces": "given", "precision": "bf16",
    },
    Style: {
        "prompt": "chat", "instruction": "", "open": "<a>", "close": "<b>", "forced_answer": "",
        "lead": "", "template": {"a": 1},
    },
}  # fmt: skip
"""Part → another value for each of its keys."""
ELSEWHERE = {
    Decoding: {"samples"},  # each sample has a key of its own
    Model: {"family", "revision", "base_revision", "decoding", "sieve"},
    ReasoningModel: {"family", "revision", "decoding", "sieve", "anchors_from", "writer"},
}
"""Keys that decide no row, or count otherwise: pins with what is pinned, `writer` by a version."""
LEAST = {
    Condition: {"operation": "zero", "layer": 0},
    Model: {"checkpoint": "a", "base": "b", "lora": {"alpha": 2.0}},
    ReasoningModel: {"family": "reasoning", "model": "a"},
}


@pytest.mark.parametrize("part", VALUES)
def test_every_key_of_a_study_that_decides_rows_is_in_their_keys(part, monkeypatch):
    monkeypatch.setattr(ingredients, "_content", lambda spec, *_: {"content": spec})
    assert VALUES[part].keys() | ELSEWHERE.get(part, set()) == part.model_fields.keys()
    least = LEAST.get(part, {})
    before = identity_key(part, least)
    keys = {name: identity_key(part, least | {name: value}) for name, value in VALUES[part].items()}
    assert before not in keys.values()
    assert len({*keys.values()}) == len(keys)


def identity_key(part: type[Part], values: dict) -> str:
    """The key of a row that is made with these values of one part of a study."""
    made = part.model_construct(**values)
    if part in (Model, ReasoningModel):
        told = part(**values)
        return key(PROBLEM, None, **model_identity(told))
    if part is Decoding:
        recipe = Recipe({"here": None}, {"model": {}, "decoding": decided(made)}, None)
        return recipe.row_key(PROBLEM, "here")
    return key(PROBLEM, decided(made), **({"style": decided(made)} if part is Style else {}))


def test_each_sample_has_a_key_of_its_own():
    keys = {key(PROBLEM, temperature=0.6, sample=sample) for sample in range(5)}
    assert len(keys) == 5


def test_a_file_of_activations_counts_by_its_content():
    patch = {"operation": "patch", "layer": 1, "activations_sha256": "a"}
    assert key(PROBLEM, patch | {"activations": "here"}) == key(PROBLEM, patch)
    assert key(PROBLEM, patch | {"activations_sha256": "b"}) != key(PROBLEM, patch)
