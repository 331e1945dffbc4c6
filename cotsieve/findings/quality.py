"""How good the written solutions of a dataset are as chains of thought.

What a card of such a dataset should tell, as that of DeepScaleR does: how many solutions are
missing, how long the others are, whether they reach the answer given beside them, and which
problems come twice.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from cotsieve.answers.graders import compare_many, predict
from cotsieve.findings.shares import share
from cotsieve.problems.exploratory import EXPLORATORY, shortest_exploratory
from cotsieve.problems.problem import Problem, written_chain

PERCENTILES = (5, 25, 50, 75, 90, 95, 99)


class Measure(NamedTuple):
    """How chains are measured."""

    count: Callable[[Sequence[str]], list[int]]
    """Texts → lengths."""
    unit: str
    """tokens of a named tokenizer, or words."""
    positions: int | None
    """Positions of the model; None: chains are not told apart by their style."""
    exploratory: float = EXPLORATORY

    @property
    def bound(self) -> int | None:
        """The shortest exploratory chain."""
        known = self.positions is not None
        return shortest_exploratory(self.positions, self.exploratory) if known else None


def words(texts: Sequence[str]) -> list[int]:
    """Lengths in words between white space."""
    return [len(text.split()) for text in texts]


def quality(
    problems: Sequence[Problem],
    measure: Measure,
    others: Mapping[str, Sequence[str]],
    processes: int = 1,
) -> dict[str, Any]:
    """The report on the problems of a source, as plain values.

    `others` are the questions of other files, by name, to look for duplicates in. Questions are
    compared without regard to white space and case. Rows that cannot be used count as such alone.
    """
    usable = [problem for problem in problems if problem.error is None]
    chains = [text for text in map(written_chain, usable) if text]
    lengths = measure.count(chains)
    return {
        "rows": len(problems),
        "unusable": {
            "rows": len(problems) - len(usable),
            "reasons": dict(Counter(problem.error for problem in problems if problem.error)),
        },
        "empty_solutions": _share(len(usable) - len(chains), len(usable)),
        "length": {"unit": measure.unit, **_lengths(lengths)},
        "style": _styles(lengths, len(usable), measure),
        "agreement": _agreement(usable, processes),
        "duplicates": _duplicates(usable),
        "also_in": {name: _also_in(usable, questions) for name, questions in others.items()},
    }


def quality_markdown(title: str, found: Mapping[str, Any]) -> str:
    """The report as a page of Markdown."""
    style, length, agreement = found["style"], found["length"], found["agreement"]
    lines = [
        f"# {title}",
        "",
        f"{found['rows']:,} rows, {found['unusable']['rows']:,} of them cannot be used.",
        "",
        "| what | rows | of | share |",
        "| --- | --: | --: | --: |",
        _line("without a solution", found["empty_solutions"]),
    ]
    if style["bound"] is not None:
        lines += [_line(f"{kind} chain", style[kind]) for kind in ("summary", "exploratory")]
    lines += [
        _line(f"solution {name} the answer", agreement[key])
        for name, key in (("reaches", "agrees"), ("contradicts", "differs"))
    ]
    lines.append(_line("solution without a boxed answer", agreement["unread"]))
    if agreement["undecided"]["count"]:
        lines.append(_line("answers the grader could not compare", agreement["undecided"]))
    lines.append(_line("question asked before in the same file", found["duplicates"]["repeats"]))
    lines.append(_line("of those, with another answer", found["duplicates"]["other_answer"]))
    lines += [_line(f"question also in {name}", told) for name, told in found["also_in"].items()]
    lines += ["", f"Length of the chains in {length['unit']}:", ""]
    if length["chains"]:
        names = [*(f"{p} %" for p in PERCENTILES), "longest", "mean"]
        values = [*(length[f"p{p}"] for p in PERCENTILES), length["max"], length["mean"]]
        lines += [
            f"| {' | '.join(names)} |",
            f"|{' --: |' * len(names)}",
            f"| {' | '.join(f'{value:,.0f}' for value in values)} |",
        ]
    else:
        lines.append("There are none.")
    return "\n".join([*lines, "", style["rule"], ""])


def _line(name: str, told: Mapping[str, Any]) -> str:
    return f"| {name} | {told['count']:,} | {told['total']:,} | {told['shown']} |"


def _share(count: int, total: int) -> dict[str, Any]:
    found = share(count, total)
    return found._asdict() | {"value": found.value, "shown": str(found)}


def _lengths(lengths: Sequence[int]) -> dict[str, Any]:
    if not lengths:
        return {"chains": 0}
    cuts = np.percentile(lengths, PERCENTILES)
    found = {f"p{p}": round(float(cut), 1) for p, cut in zip(PERCENTILES, cuts, strict=True)}
    return {"chains": len(lengths), **found, "max": max(lengths), "mean": round(fmean(lengths), 1)}


def _styles(lengths: Sequence[int], usable: int, measure: Measure) -> dict[str, Any]:
    bound = measure.bound
    if bound is None:
        rule = "No model is named, so chains are not told apart by their style."
        return {"bound": None, "rule": rule}
    long = sum(length >= bound for length in lengths)
    rule = (
        f"A chain of at least {bound:,} {measure.unit}, {measure.exploratory:.4g} of the model's "
        f"{measure.positions:,} positions, counts as exploratory; a shorter one as a summary. "
        "This tells length only, not whether anything is explored."
    )
    return {
        "bound": bound,
        "rule": rule,
        "summary": _share(len(lengths) - long, usable),
        "exploratory": _share(long, usable),
    }


def _agreement(problems: Sequence[Problem], processes: int) -> dict[str, Any]:
    """What the last box of a solution says, against the answer beside it."""
    solved = [problem for problem in problems if (problem.solution or "").strip()]
    pairs = [(predict("math", problem.solution), problem.answer) for problem in solved]
    graded = compare_many("math", pairs, 0, processes)
    counts = Counter(item.verdict for item in graded)
    names = {
        "agrees": "correct", "differs": "incorrect", "unread": "no_answer", "undecided": "failed",
    }  # fmt: skip
    differing = [
        problem.problem_id
        for problem, item in zip(solved, graded, strict=True)
        if item.verdict == "incorrect"
    ]
    found = {name: _share(counts[verdict], len(solved)) for name, verdict in names.items()}
    return {**found, "differing": differing}


def _duplicates(problems: Sequence[Problem]) -> dict[str, Any]:
    first: dict[str, Problem] = {}
    repeats = other_answer = 0
    for problem in problems:
        earlier = first.setdefault(_normal(problem.question), problem)
        repeats += earlier is not problem
        other_answer += earlier is not problem and earlier.answer != problem.answer
    return {
        "repeats": _share(repeats, len(problems)),
        "other_answer": _share(other_answer, repeats),
    }


def _also_in(problems: Sequence[Problem], questions: Sequence[str]) -> dict[str, Any]:
    known = set(map(_normal, questions))
    found = [problem for problem in problems if _normal(problem.question) in known]
    return _share(len(found), len(problems)) | {"ids": [problem.problem_id for problem in found]}


def _normal(question: str) -> str:
    return " ".join(question.split()).casefold()
