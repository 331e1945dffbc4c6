"""What decides a rollout besides its problem, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cotsieve.ground.seeds import digest
from cotsieve.interventions.changed import READS_ANSWER, kind_of
from cotsieve.problems.problem import Problem


@dataclass(frozen=True)
class Recipe:
    """The conditions of a sweep and everything else that is the same for all rows of a job."""

    conditions: Mapping[str, dict[str, Any] | None]
    """Name → definition, the baseline (None) first."""
    identity: Mapping[str, Any]
    """Model with the digests of its files, decoding, code, library versions."""
    reference: str | None
    """Digest of the problems that give means and donors; None where none are needed."""

    @cached_property
    def _deciding(self) -> dict[str, Any]:
        """The identity without the number of samples: each has a seed of its own."""
        decoding = {**self.identity["decoding"]}
        decoding.pop("samples", None)
        return {**self.identity, "decoding": decoding}

    @property
    def seed(self) -> int:
        """Decides every sampled token, with problem, condition and sample."""
        return self.identity["decoding"].get("seed", 0)

    def limited_to(self, names: Sequence[str]) -> "Recipe":
        """The same recipe with the baseline and the named conditions alone."""
        kept = {
            name: definition
            for name, definition in self.conditions.items()
            if definition is None or name in names
        }
        return replace(self, conditions=kept)

    def row_key(self, problem: Problem, condition: str, sample: int = 0) -> str:
        """Digest of everything that determines a row: equal keys, equal rows.

        The name of the condition is not part of it, and of the problem only what the row depends
        on: its question, the reasoning that came with it where that is read, its reference answer
        where an edit may read it, and its id where that seeds a draw.
        """
        definition = _told(self.conditions[condition])
        parts: list[Any] = [self._deciding, definition, problem.question, problem.error]
        kind = kind_of(definition)
        if self.identity.get("model", {}).get("traces") == "given":
            parts.append({"reasoning": problem.reasoning})
        if kind in READS_ANSWER:
            parts.append({"answer": problem.answer})
        if kind in ("mean", "resample", "swap"):
            parts.append(self.reference)
        sampled = self.identity["decoding"].get("temperature", 0) > 0
        if sampled or kind in ("noise", "resample", "patch", "swap", "shuffle"):
            parts.append(problem.problem_id)
        if sample:
            parts.append(sample)
        return digest(*parts)

    def origin(self) -> dict[str, Any]:
        """What a table made by this recipe says of its origin."""
        conditions = {name: _told(definition) for name, definition in self.conditions.items()}
        return {**self.identity, "conditions": conditions, "reference": self.reference}


def _told(definition: dict[str, Any] | None) -> dict[str, Any] | None:
    """What decides of a condition: a file of activations by its content, wherever it lies."""
    if not definition or "activations_sha256" not in definition:
        return definition
    return {key: value for key, value in definition.items() if key != "activations"}
