"""Sort problems into strata by what is known of them before any model has seen them."""

from collections.abc import Callable, Sequence

from cotsieve.ground.faults import bad
from cotsieve.problems.problem import UNKNOWN, Problem, difficulty

KINDS = ("steps", "level", "subject", "level-subject", "solution-length", "source")


def stratify(kind: str, problems: Sequence[Problem], parts: int = 4) -> list[str]:
    """The stratum of each problem, in order.

    `kind` is one of KINDS: "steps" (2-step … 5+step), "level" (level 5), "subject" (Geometry),
    "level-subject" (level 5 Geometry), "solution-length" (length 1/4 … length 4/4, `parts` groups
    of about equal size of the given problems) and "source". A problem of which that is not known,
    and one that cannot be used, is in the stratum "unknown"; its source is always known. Raises
    BadInput for an unknown kind and for less than one part.
    """
    if kind not in KINDS:
        raise bad(f"strata by {kind!r}", "there is no such kind", f"Use one of {', '.join(KINDS)}.")
    if parts < 1:
        raise bad("parts of solution lengths", f"they are {parts}", "Give at least 1.")
    if kind == "solution-length":
        return _by_length(problems, parts)
    stratum = _NAMES[kind]
    return [stratum(problem) for problem in problems]


def length_bounds(problems: Sequence[Problem], parts: int) -> list[int]:
    """The longest solution, in characters, of each group of lengths but the last.

    Solutions of one length share a group, so groups may be uneven or empty. Empty without any
    solution; a solution belongs to the first group whose bound it does not exceed.
    """
    lengths = sorted(len(problem.solution) for problem in problems if _measured(problem))
    if not lengths:
        return []
    places = [-(-part * len(lengths) // parts) - 1 for part in range(1, parts)]
    return [lengths[place] for place in places]


def _by_length(problems: Sequence[Problem], parts: int) -> list[str]:
    bounds = length_bounds(problems, parts)
    return [
        f"length {1 + sum(len(problem.solution) > bound for bound in bounds)}/{parts}"
        if _measured(problem)
        else UNKNOWN
        for problem in problems
    ]


def _measured(problem: Problem) -> bool:
    return problem.error is None and problem.solution is not None


def _steps(problem: Problem) -> str:
    """Problems without steps were found to have none when they were read."""
    return UNKNOWN if problem.stratum == UNKNOWN else difficulty(problem.steps)


def _level(problem: Problem) -> str:
    return UNKNOWN if problem.level is None else f"level {problem.level}"


def _subject(problem: Problem) -> str:
    return problem.subject or UNKNOWN


def _level_subject(problem: Problem) -> str:
    if problem.level is None or not problem.subject:
        return UNKNOWN
    return f"{_level(problem)} {problem.subject}"


def _source(problem: Problem) -> str:
    return problem.source


_NAMES: dict[str, Callable[[Problem], str]] = {
    "steps": _steps,
    "level": _level,
    "subject": _subject,
    "level-subject": _level_subject,
    "source": _source,
}
