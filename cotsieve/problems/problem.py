"""A problem, its number of reasoning steps and its difficulty stratum."""

import dataclasses
import itertools
import re
from collections.abc import Iterable

import pyarrow as pa

_WRITTEN_RESULT = re.compile(r"=\s*+\d+")

STRATA = ("2-step", "3-step", "4-step", "5+step")

UNKNOWN = "unknown"
"""The stratum of a problem whose number of steps nothing tells."""

TOLD = (
    ("problem_id", pa.string()),
    ("source", pa.string()),
    ("row", pa.int32()),
    ("question", pa.string()),
    ("solution", pa.string()),
    ("answer", pa.string()),
    ("steps", pa.int32()),
    ("stratum", pa.string()),
)
"""The columns by which every table of problems tells them."""

PROBLEMS = pa.schema(
    [
        *TOLD,
        ("error", pa.string()),
        ("level", pa.int32()),
        ("subject", pa.string()),
        ("reasoning", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One math problem as it is put to a model."""

    problem_id: str
    source: str
    row: int
    """Place in the source's file, counted from 0."""
    question: str
    """Exactly as in the file, blanks included."""
    solution: str | None
    answer: str
    """The reference answer: a number in canonical form, such as 1234, -5, 3.5 or 3/4, or LaTeX as
    it is written, such as x \\in [-2,7]."""
    steps: int | None
    """None where nothing tells them."""
    stratum: str
    error: str | None = None
    """Why the row cannot be used; the problem then counts as failed everywhere."""
    level: int | None = None
    """Difficulty as the source gives it, from 1; MATH has five levels."""
    subject: str | None = None
    """Field of mathematics as the source names it, such as Geometry."""
    reasoning: str | None = None
    """A written chain of thought that came with the problem, for models that only answer."""


def written_chain(problem: Problem) -> str:
    """The chain of thought that came with a problem: its reasoning, else its solution, or ""."""
    return (problem.reasoning or problem.solution or "").strip()


def count_steps(solution: str) -> int:
    """Calculation blocks <<...>> of a solution; without any, the places like "= 12".

    The rule of the GSM8K expansion study (GusSand/CoT_Exploration). Linear in the text's length,
    which a search for <<[^>]+>> is not when many << stay open.
    """
    pieces = solution.split(">")
    blocks = sum(
        "<<" in piece[:-1] and not after for piece, after in itertools.pairwise(pieces[:-1])
    )
    return blocks or sum(1 for _ in _WRITTEN_RESULT.finditer(solution))


def difficulty(steps: int) -> str:
    """The study's four strata: up to 2 steps, 3, 4, and 5 or more."""
    if steps <= 2:
        return "2-step"
    return f"{steps}-step" if steps < 5 else "5+step"


def problems_table(problems: Iterable[Problem], schema: pa.Schema = PROBLEMS) -> pa.Table:
    """A table of problems, in the order given."""
    problems = list(problems)
    columns = [
        pa.array([getattr(problem, field.name) for problem in problems], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def problems_from(table: pa.Table) -> list[Problem]:
    """The problems of a table with the schema `PROBLEMS`, in its order."""
    return [Problem(**row) for row in table.select(PROBLEMS.names).to_pylist()]
