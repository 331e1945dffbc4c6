"""Settings of which a result remembers what was decided, written out in full."""

from collections.abc import Mapping
from typing import Any

from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.models import Decoding, Model, ReasoningModel
from cotsieve.study.settings.outcome import Grading
from cotsieve.study.settings.part import introduced, whole

ELSEWHERE = ("decoding", "sieve", "revision", "base_revision", "anchors_from")
"""Fields of a model that are told apart from it, or in the place of what they name."""
_KINDS = {"activations": Condition, "reasoning": TextCondition}


def completed(origin: Mapping[str, Any]) -> dict[str, Any]:
    """The origin of a table with nothing left to know by heart.

    Fills in grading, decoding and the model. Conditions stay short: what all of a kind are where
    they say nothing else stands once, under `conditions otherwise`.
    """
    found = dict(origin)
    if "grading" in origin:
        found["grading"] = whole(Grading, origin["grading"])
    if "decoding" in origin:
        found["decoding"] = whole(Decoding, origin["decoding"])
    if "model" in origin:
        found["model"] = _model(origin["model"])
    if "conditions" in origin:
        found["conditions"] = {
            sweep: {name: _without_path(definition) for name, definition in conditions.items()}
            for sweep, conditions in origin["conditions"].items()
        }
        found["conditions otherwise"] = _otherwise(found["conditions"])
    return found


def _model(definition: Mapping[str, Any]) -> dict[str, Any]:
    kind = ReasoningModel if definition.get("family") == "reasoning" else Model
    told = whole(kind, definition)
    found = {name: value for name, value in told.items() if name not in ELSEWHERE}
    if "collapse_spaces" in found and found["collapse_spaces"] is None:
        found["collapse_spaces"] = found["prompt_style"] == "codi-eval"  # as the model is run
    return found


def _without_path(definition: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A file of activations is told by its content, not by where it lay."""
    hidden = "activations" if definition and "activations_sha256" in definition else None
    return definition and {key: value for key, value in definition.items() if key != hidden}


def _otherwise(conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Kind of a condition → its defaults, for the kinds that occur."""
    told = [one for sweep in conditions.values() for one in sweep.values() if one is not None]
    kinds = {"activations" if "operation" in one else "reasoning" for one in told}
    return {
        kind: {
            name: value
            for name, value in introduced(_KINDS[kind]).items()
            if value is not None and name != "layer"
        }
        for kind in sorted(kinds)
    }
