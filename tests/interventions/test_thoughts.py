"""Conditions mean the layers and thoughts they say, or are refused."""

from typing import Any

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.interventions.thoughts import (
    Intervention,
    from_definition,
    resolve_layer,
    resolve_thoughts,
)

NAMED = ("early", "middle", "late")


@pytest.mark.parametrize(
    ("family", "layers", "blocks"),
    [
        ("llama", 16, (4, 8, 14)),
        ("gpt2", 12, (3, 6, 11)),
        ("llama", 12, (3, 6, 10)),
        ("llama", 4, (1, 2, 3)),
        ("gpt2", 4, (1, 2, 3)),
        ("qwen2", 28, (7, 14, 24)),
        ("llama", 1, (0, 0, 0)),
    ],
)
def test_named_layers(family: str, layers: int, blocks: tuple[int, ...]):
    assert tuple(resolve_layer(name, layers, family) for name in NAMED) == blocks


@pytest.mark.parametrize(
    ("layer", "block"), [(0, 0), (15, 15), (0.5, 8), (0.01, 0), (0.99, 15), (0.3, 4)]
)
def test_layers_by_index_and_by_fraction(layer: int | float, block: int):
    assert resolve_layer(layer, 16, "llama") == block


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (16, "blocks 0 to 15"),
        (-1, "blocks 0 to 15"),
        (0.0, "outside"),
        (1.0, "outside"),
        (1.5, "outside"),
        ("last", "early, middle, late"),
    ],
)
def test_layers_that_do_not_exist_are_refused(layer: int | float | str, found: str):
    with pytest.raises(BadInput, match=found):
        resolve_layer(layer, 16, "llama")


@pytest.mark.parametrize(
    ("chosen", "thoughts"),
    [
        ("all", (0, 1, 2, 3, 4, 5)),
        ({"first": 1}, (0,)),
        ({"first": 6}, (0, 1, 2, 3, 4, 5)),
        ([3], (3,)),
        ([5, 0, 5], (0, 5)),
    ],
)
def test_thoughts(chosen: str | dict | list, thoughts: tuple[int, ...]):
    assert resolve_thoughts(chosen, 6) == thoughts


@pytest.mark.parametrize("chosen", [[6], [-1], [0, 9], [], {"first": 7}, {"first": 0}])
def test_thoughts_that_do_not_exist_are_refused(chosen: dict | list):
    with pytest.raises(BadInput, match="thoughts 0 to 5"):
        resolve_thoughts(chosen, 6)


def meant(**definition: Any) -> Intervention | None:
    return from_definition({"thoughts": "all"} | definition, layers=16, family="llama", thoughts=6)


def test_a_definition_becomes_an_intervention():
    what = meant(operation="noise", layer="late", component="resid_pre", scale=0.5, seed=3)
    assert what == Intervention("noise", 14, (0, 1, 2, 3, 4, 5), "resid_pre", scale=0.5, seed=3)
    assert meant(operation=None, layer=1) is None


def test_what_is_written_is_read_at_the_same_site_unless_told():
    assert meant(operation="patch", layer=3).source == (3, "resid_post")
    assert meant(operation="patch", layer=3, read="input").source == (3, "resid_pre")
    assert meant(operation="zero", component="pre_projection").site == (-1, "pre_projection")


def test_only_the_state_before_the_projection_has_no_layer():
    with pytest.raises(BadInput, match="layer: is missing"):
        meant(operation="zero")
    with pytest.raises(BadInput, match="layer: is missing"):
        meant(operation="zero", layer=None, component="resid_pre")
