"""What a key stands for where a result remembers nothing of it, by the path of the key."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from cotsieve.study.settings.anchors import Anchors
from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.models import Decoding, Model, ReasoningModel
from cotsieve.study.settings.outcome import About, Draw, Grading, PublishTraces, Quality
from cotsieve.study.settings.part import Part, introduced

SECTIONS: dict[str, tuple[type[Part], ...]] = {
    "anchors": (Anchors,),
    "about": (About,),
    "choose": (PublishTraces,),
    "conditions": (Condition, TextCondition),
    "decoding": (Decoding,),
    "draw": (Draw,),
    "grading": (Grading,),
    "model": (Model, ReasoningModel),
    "quality": (Quality,),
}
"""Name of a param → the parts of a study it may be the decided values of."""

NAMED = ("conditions",)
"""Params that hold such values under names."""


def default_of(path: Sequence[str]) -> Any:
    """What a value inside a param, given by its path, stands for where it is not told; a part of
    which no key is told is empty."""
    parts, steps = SECTIONS.get(path[0], ()), path[2 if path[0] in NAMED else 1 :]
    for step in steps[:-1]:
        parts = tuple(_inside(parts, step))
    for part in parts:
        if steps and steps[-1] in introduced(part):
            default = introduced(part)[steps[-1]]
            return {} if isinstance(default, dict) else default
    return None


def _inside(parts: Sequence[type[Part]], key: str) -> Iterator[type[Part]]:
    """The parts that the value of a key may be."""
    for part in parts:
        field = part.model_fields.get(key)
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        yield from (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Part))
