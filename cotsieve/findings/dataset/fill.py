"""A dataset whose missing chains of thought are filled with verified traces."""

import math
from collections.abc import Mapping, Sequence, Set
from fractions import Fraction
from typing import Any

from cotsieve.findings.shares import share
from cotsieve.problems.problem import Problem


def filled(
    problems: Sequence[Problem],
    lacking: Set[str],
    traces: Mapping[str, Mapping[str, Any]],
    target: float,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every usable problem with its chain, and what became of the target.

    `lacking` are the ids of problems whose own chain is missing or too short; `traces` maps ids to
    a row of TRACES. Traces are taken in the order of the problems until the part `target` of them
    has a chain, and no further. A problem that gets none keeps what it has.
    """
    usable = _usable(problems)
    own = sum(problem.problem_id not in lacking for problem in usable)
    most = wanted(problems, lacking, target)
    rows, taken = [], 0
    for problem in usable:
        trace = traces.get(problem.problem_id) if problem.problem_id in lacking else None
        if trace and taken < most:
            taken += 1
            rows.append(_row(problem, trace["thought"], trace["response"], trace["model"]))
        else:
            origin = None if problem.problem_id in lacking else "source"
            rows.append(_row(problem, problem.reasoning, problem.solution, origin))
    found = share(own + taken, len(usable))
    told = {"problems": len(usable), "own_chains": own, "filled": taken}
    told |= {"share": found.value, "target": target, "met": taken == most}
    told["missing"] = most - taken
    return rows, told


def wanted(problems: Sequence[Problem], lacking: Set[str], target: float) -> int:
    """How many chains the part `target` of the usable problems needs beside those that have one."""
    usable = _usable(problems)
    own = sum(problem.problem_id not in lacking for problem in usable)
    return max(0, math.ceil(Fraction(str(target)) * len(usable)) - own)


def _usable(problems: Sequence[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.error is None]


def _row(
    problem: Problem, thought: str | None, solution: str | None, origin: str | None
) -> dict[str, Any]:
    return {
        "problem_id": problem.problem_id,
        "source": problem.source,
        "problem": problem.question,
        "answer": problem.answer,
        "thought": thought,
        "solution": solution,
        "chain_from": origin,
    }
