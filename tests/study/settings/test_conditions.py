"""A condition says what its operation needs, and nothing that has no effect on it."""

from typing import Any

import pytest
from studies import changed

from cotsieve.ground.faults import BadInput
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.study import Study

WHERE = "sweeps main conditions zero-middle"
STATE = {"component": "pre_projection"}


def study(**condition: Any) -> Study:
    return read_study(changed(WHERE, condition))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"operation": "zero"}, "component resid_post needs a layer"),
        ({"operation": "zero", "component": "resid_pre"}, "component resid_pre needs a layer"),
        ({"operation": "zero", "layer": 2} | STATE, "pre_projection has no layer"),
        ({"operation": "zero", "scope": "seed"} | STATE, "cannot have scope seed"),
        ({"operation": "patch", "read": "input"} | STATE, "cannot read the input of a block"),
        ({"operation": "remove", "layer": 2}, "remove needs component pre_projection"),
        ({"operation": "zero", "layer": 2, "where": "numbers"}, "where: numbers needs component"),
        ({"operation": "replace"} | STATE, "token is needed by operation replace"),
        ({"operation": "zero", "token": "5"} | STATE, "token is needed by operation replace"),
        ({"operation": "zero", "top": 5} | STATE, "top and rescale belong to operation project"),
        ({"operation": "project", "top": 3} | STATE, "1 or 5"),
    ],
)
def test_what_does_not_fit_is_told(condition: dict[str, Any], found: str):
    with pytest.raises(BadInput, match=found):
        study(**condition)


def test_everything_that_does_not_fit_is_told_at_once():
    with pytest.raises(BadInput, match=r"needs a layer; .* needs component .*; token is needed"):
        study(operation="discretize", token="5")


@pytest.mark.parametrize(
    "condition",
    [
        {"operation": "discretize", "where": "numbers"},
        {"operation": "project", "top": 5, "rescale": True},
        {"operation": "replace", "token": "5", "strength": 1.0, "thoughts": [0, 3]},
        {"operation": "mean", "rest": "frozen"},
    ],
)
def test_hidden_states_before_the_projection_have_no_layer(condition: dict[str, Any]):
    (definition,) = study(**condition, **STATE).sweeps["main"].all_conditions().values()
    assert definition.get("layer") is None
    assert condition.items() <= definition.items()


@pytest.mark.parametrize("thoughts", [[0], [2, 0], {"first": 1}])
def test_the_begin_token_is_made_from_no_hidden_state(thoughts: Any):
    condition = {"operation": "zero", "thoughts": thoughts} | STATE
    values = changed("models tiny prompt_style", "seed", changed(WHERE, condition))
    with pytest.raises(BadInput, match="thought 0 of model 'tiny'"):
        read_study(values)
    for fine in ("all", [1, 2], {"first": 2}):
        read_study(changed(f"{WHERE} thoughts", fine, values))
