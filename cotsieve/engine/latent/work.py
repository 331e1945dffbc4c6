"""What an engine is to run, and the part of it that makes one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from cotsieve.engine.decoding import Finished
from cotsieve.engine.latent.edits import Reference
from cotsieve.engine.memory import failed_for_memory
from cotsieve.interventions.thoughts import Intervention


@dataclass(frozen=True)
class Work:
    """What a run is to do; condition 0 is the baseline."""

    questions: Sequence[list[int]]
    """Token ids."""
    problem_ids: Sequence[str]
    conditions: Sequence[Intervention | None]
    reference: Reference | None = None
    given: Mapping[int, Tensor] = field(default_factory=dict)
    """Condition → activations from a file, (problems, T, H)."""
    baseline: bool = True
    """Whether the rows of condition 0 are wanted, or it is there for those that need it only."""

    def on(self, problems: Sequence[int]) -> "Work":
        """The same work on some of the problems, in that order."""
        return replace(
            self,
            questions=[self.questions[i] for i in problems],
            problem_ids=[self.problem_ids[i] for i in problems],
            given={condition: values[problems] for condition, values in self.given.items()},
        )

    @property
    def rows(self) -> int:
        """How many rows are wanted."""
        return len(self.questions) * (len(self.conditions) - (not self.baseline))


@dataclass(frozen=True)
class Chosen:
    """The problems and conditions of one batch, as indices into the work."""

    problems: list[int]
    conditions: list[int]
    """The baseline, where it is wanted or another needs its activations; then others."""
    first: bool
    """Whether the baseline's rows are written here."""

    def keys(self) -> list[tuple[int, int]]:
        return [(problem, c) for problem in self.problems for c in self.conditions]

    def halved(self) -> list["Chosen"]:
        """Two batches of half the rows each; none of a single row and its baseline."""
        middle = len(self.problems) // 2
        if middle:
            parts = (self.problems[:middle], self.problems[middle:])
            return [replace(self, problems=part) for part in parts]
        beside, others = self.conditions[:1], self.conditions[1:]
        if beside != [0]:
            beside, others = [], self.conditions
        middle = len(others) // 2
        if not middle:
            return []
        head, tail = [*beside, *others[:middle]], [*beside, *others[middle:]]
        return [replace(self, conditions=head), replace(self, conditions=tail, first=False)]

    def failed(self) -> list[Finished]:
        return [(key, failed_for_memory()) for key in self.keys() if self.first or key[1]]
