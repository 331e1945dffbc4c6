"""Which family of models a study file means where it names none."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cotsieve.ground.faults import Finding
from cotsieve.study.model_settings import ImportedModel, Model, ReasoningModel

USUAL = "codi"
FIELDS = {
    USUAL: set(Model.model_fields),
    "reasoning": set(ReasoningModel.model_fields),
    "imported": set(ImportedModel.model_fields),
}


def with_families(models: Mapping[str, Any]) -> dict[str, Any]:
    """The models of a study file, each with a family: the one that its keys tell of."""
    return {
        name: {"family": meant_family(model), **model} if isinstance(model, dict) else model
        for name, model in models.items()
    }


def forgotten_families(models: Mapping[str, Any]) -> Iterator[Finding]:
    """Models that name no family although they are not of the usual one."""
    for name, model in models.items():
        if isinstance(model, dict) and "family" not in model:
            family = meant_family(model)
            if family != USUAL:
                keys = ", ".join(sorted(own_keys(family) & model.keys()))
                what = f"is missing; only models of family {family} have the keys {keys}"
                yield Finding(f"models.{name}.family", what, f"Add family: {family}.")


def meant_family(keys: Collection[str]) -> str:
    """The family that has most of the keys for itself; the usual one where none has more."""
    return max(FIELDS, key=lambda family: len(own_keys(family).intersection(keys)))


def own_keys(family: str) -> set[str]:
    """The keys that no other family has."""
    return FIELDS[family].difference(*(FIELDS[other] for other in FIELDS if other != family))
