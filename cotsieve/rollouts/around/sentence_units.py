"""The sentences of a trace as what the frame of a job takes for problems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotsieve.ground.seeds import digest
from cotsieve.interventions.prefixes import prefix, unit_id
from cotsieve.problems.problem import Problem


@dataclass(frozen=True)
class Sentence:
    """A sentence of a trace, and what is read before it."""

    unit: Problem
    """What stands for it as a problem: equal ones have equal rollouts."""
    question: str
    before: tuple[int, ...] | None
    """Tokens of the thought up to the sentence; None where only the text is known."""
    text: str
    """Or their text."""

    @property
    def trace(self) -> str:
        return self.unit.problem_id.rpartition(":")[0]


def sentences_of(
    problem: Problem, rows: Sequence[Mapping[str, Any]], form: str, thought: Sequence[int] | str
) -> list[Sentence]:
    """The chosen sentences of one trace; `rows` are all of its rows of the table of sentences.

    `thought` are the tokens of its thought, or where they are not known its text: `form` as-written
    reads it as it is, up to the sentence.
    """
    chunks = [row["text"] for row in rows]
    found = []
    for row in rows:
        if not row["chosen"]:
            continue
        before, text = None, ""
        if form != "as-written":
            text = prefix(chunks, row["sentence"], form)
        elif not isinstance(thought, str):
            before = tuple(thought[: row["first_token"]])
        elif row["start"] is not None:
            text = thought[: row["start"]].rstrip()
        else:  # published sentences that are not those of the thought
            text = prefix(chunks, row["sentence"], "joined")
        name = unit_id(problem.problem_id, row["sample"], row["sentence"])
        read = f"{problem.question}\n{digest(text if before is None else before)}"
        unit = Problem(name, problem.source, problem.row, read, None, "", 0, "", problem.error)
        found.append(Sentence(unit, problem.question, before, text))
    return found
