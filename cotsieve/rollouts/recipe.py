"""What decides a rollout besides its problem, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cotsieve.ground.seeds import digest
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

    @property
    def max_new_tokens(self) -> int:
        return self.identity["decoding"]["max_new_tokens"]

    @property
    def stop_at(self) -> str:
        """`eos`, or `number`: answers also end with their first number."""
        return self.identity["decoding"].get("stop_at", "eos")

    def limited_to(self, names: Sequence[str]) -> "Recipe":
        """The same recipe with the baseline and the named conditions alone."""
        kept = {
            name: definition
            for name, definition in self.conditions.items()
            if definition is None or name in names
        }
        return replace(self, conditions=kept)

    def row_key(self, problem: Problem, condition: str) -> str:
        """Digest of everything that determines a row: equal keys, equal rows.

        The name of the condition is not part of it, and of the problem only what the row depends
        on: its question, and its id where that seeds a draw.
        """
        definition = self.conditions[condition]
        parts: list[Any] = [self.identity, definition, problem.question, problem.error]
        if definition and definition["operation"] in ("mean", "resample"):
            parts.append(self.reference)
        if definition and definition["operation"] in ("noise", "resample", "patch"):
            parts.append(problem.problem_id)
        return digest(*parts)

    def origin(self) -> dict[str, Any]:
        """What a table made by this recipe says of its origin."""
        return {**self.identity, "conditions": self.conditions, "reference": self.reference}
