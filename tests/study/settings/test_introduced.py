"""What results are remembered by: what differs from what the keys of a study stood for at first."""

import pytest

from cotsieve.study.settings.conditions import Condition
from cotsieve.study.settings.introduced import INTRODUCED
from cotsieve.study.settings.models import Model, ReasoningModel, Style
from cotsieve.study.settings.outcome import Draw, Grading, Require
from cotsieve.study.settings.part import Part, decided, introduced, plain, whole

PARTS = {part.__name__: part for part in Part.__subclasses__() if part.__name__ in INTRODUCED}


@pytest.mark.parametrize("name", INTRODUCED)
def test_every_key_with_a_default_has_its_line(name):
    fields = PARTS[name].model_fields.items()
    optional = {key for key, field in fields if not field.is_required()}
    parts = {key for key, field in fields if isinstance(field.default, Part)}
    assert INTRODUCED[name].keys() == optional - parts


def of_a_later_time() -> type[Part]:
    """How answers are graded, with another default and one more key."""
    fields = {"tolerance": 0.5, "grader": "numbers", "strict": False}
    kinds = {"tolerance": float, "grader": str, "strict": bool}
    return type("Grading", (Grading,), {"__annotations__": kinds, **fields})


def test_another_default_is_another_value_and_a_new_key_is_none():
    later = of_a_later_time()
    assert decided(Grading()) == {}
    assert decided(later()) == {"tolerance": 0.5}
    assert decided(Grading(tolerance=0.5)) == {"tolerance": 0.5}, "the same, whoever says so"
    assert decided(later(tolerance=0.01)) == {}
    assert decided(later(strict=True)) == {"tolerance": 0.5, "strict": True}
    assert whole(later, {}) == {"tolerance": 0.01, "grader": "numbers", "strict": False}


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Draw(total=3), {"total": 3}),
        (Draw(seed=1, require=Require(net=True)), {"seed": 1, "require": {"net": True}}),
        (Condition(operation="zero", layer=1), {"operation": "zero", "layer": 1}),
        (
            Condition(operation="zero", layer=1, thoughts={"first": 2}),
            {"operation": "zero", "layer": 1, "thoughts": {"first": 2}},
        ),
        (
            Model(checkpoint="a", base="b", lora={"alpha": 2.0}),
            {"checkpoint": "a", "base": "b", "lora": {"alpha": 2.0}},
        ),
        (
            ReasoningModel(family="reasoning", model="a", style=Style(lead="")),
            {"family": "reasoning", "model": "a", "style": {"lead": ""}},
        ),
        (
            ReasoningModel(family="reasoning", model="a", decoding={}),
            {"family": "reasoning", "model": "a", "decoding": {}},
        ),
    ],
)
def test_what_is_decided_tells_the_whole(part, told):
    assert decided(part) == told
    assert type(part)(**told) == part
    if not {"lora", "decoding"} & told.keys():
        assert whole(type(part), told) == plain(part)


def test_parts_inside_others_are_introduced_with_their_own_lines():
    assert introduced(Draw)["require"] == {"net": None}
    assert introduced(ReasoningModel)["style"] == introduced(Style)
