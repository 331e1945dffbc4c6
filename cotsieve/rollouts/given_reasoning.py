"""The reasoning a model is given under a condition, and what its row tells of how it was made.

With the trace of the problem, that of the donor and the seed, the same reasoning is made again; the
digest of the token ids that were read says whether it is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from cotsieve.answers.boxed import last_box
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.engine.written.reading_edits import ReadingReference, donor_of
from cotsieve.interventions.changed import (
    altered_to,
    changed_span,
    changed_thought,
    kind_of,
    seed_of,
)
from cotsieve.problems.problem import Problem

Row = dict[str, Any]


@dataclass(frozen=True)
class Trace:
    """A stored baseline rollout."""

    problem: Problem
    sample: int
    reasoning: tuple[int, ...]
    """Token ids between the tags."""
    answer: str
    """What was written behind the reasoning; empty where it never ended."""
    whole: bool = True
    """Whether the reasoning ended of itself; otherwise it was broken off."""
    error: str | None = None
    """Why there is no rollout."""

    @property
    def stated(self) -> str:
        """The answer the reasoning reaches, as far as that is known."""
        return last_box(self.answer) or self.problem.answer


@dataclass(frozen=True)
class Donors:
    """Traces of reference problems, to take means and other problems' reasoning from."""

    traces: Sequence[Trace] = ()
    activations: ReadingReference | None = None

    @property
    def problem_ids(self) -> list[str]:
        return [trace.problem.problem_id for trace in self.traces]

    def drawn(self, definition: Mapping[str, Any], problem_id: str) -> Trace | None:
        """The one that a condition takes from, by a draw of its seed; None if it takes nothing.
        Raises BadInput if there is none to take from."""
        if kind_of(definition) not in ("swap", "resample"):
            return None
        return self.traces[donor_of(problem_id, self.problem_ids, seed_of(definition))]


class Given(NamedTuple):
    """What stands in the think block when the model is asked for its answer."""

    reasoning: str | tuple[int, ...]
    """As text, or as ids of a trace."""
    whole: bool
    """Whether the reasoning ended of itself."""
    told: Mapping[str, Any]
    """What its row tells of it."""

    def tokens(self, model: ReasoningModel, question: str, forced: bool) -> tuple[int, ...]:
        """The ids that are read, with the closing tag and the words of a forced answer."""
        if isinstance(self.reasoning, str):
            return model.closed(question, self.reasoning, forced)
        return model.cut(question, self.reasoning, forced, self.whole)

    def length(self, model: ReasoningModel, question: str, forced: bool) -> int:
        """Reasoning tokens among them."""
        if isinstance(self.reasoning, str):
            return model.thought_length(question, self.tokens(model, question, forced), forced)
        return len(self.reasoning)


def stored_trace(model: ReasoningModel, problem: Problem, row: Row, given: bool) -> Trace:
    """A row of the rollouts table as a trace; `given` if its reasoning came with the problem."""
    if row["finish_reason"] == "failed":
        return Trace(problem, row["sample"], (), "", error=row["error"])
    answer = row["answer_text"] or ""
    if given:
        reasoning = model.given(problem.question, problem.reasoning)
        return Trace(problem, row["sample"], reasoning, answer)
    reasoning, written = model.split(row["token_ids"])
    return Trace(problem, row["sample"], reasoning, answer, whole=written is not None)


def given_reasoning(
    model: ReasoningModel, definition: Mapping[str, Any], item: Trace, donors: Donors
) -> Given:
    """The reasoning of a trace under a condition. Raises BadInput where there is none."""
    donor = donors.drawn(definition, item.problem.problem_id)
    kept = _kept(definition, donor if donor and kind_of(definition) == "swap" else item)
    before = model.text(item.reasoning)
    if kept:
        reasoning, whole = kept
        after = model.text(reasoning)
    else:
        reasoning = after = changed_thought(
            definition, before, item.problem.problem_id, item.stated
        )
        whole = True
    start, end = changed_span(before, after) or (None, None)
    told = {
        "donor": donor and donor.problem.problem_id,
        "seed": seed_of(definition),
        "changed_start": start,
        "changed_end": end,
        "altered_to": altered_to(definition, item.stated),
    }
    return Given(reasoning, whole, told)


def _kept(definition: Mapping[str, Any], item: Trace) -> tuple[tuple[int, ...], bool] | None:
    """The ids of a reasoning that is given as it was written, as far as a condition goes."""
    kind = definition.get("reasoning", "keep")
    if kind in ("keep", "swap"):
        return item.reasoning, item.whole
    if kind == "truncate" and "fraction" in definition:
        kept = floor(Fraction(str(definition["fraction"])) * len(item.reasoning))
        return item.reasoning[:kept], item.whole and kept == len(item.reasoning)
    return None
