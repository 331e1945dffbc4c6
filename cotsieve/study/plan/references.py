"""Which problems give a sweep its means and donors: a choice without order or history.

They are those whose question has the smallest digest, so an edited or an added row changes the
choice about once in N / 64 times, wherever it stands.
"""

import hashlib
import heapq
from collections.abc import Iterable
from itertools import chain
from typing import Any

from cotsieve.ground.seeds import digest
from cotsieve.problems.problem import Problem
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.shards import prompts_digest
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.sources import source_definition


def reference_source(plan: Plan, sweep: str) -> str:
    """The source that gives a sweep its means and donors."""
    return plan.study.sweeps[sweep].reference.source or next(iter(plan.study.sources))


def reference_problems(plan: Plan, sweep: str) -> list[Problem]:
    """The problems whose activations or reasoning are taken, a question once; the source must be
    on disk."""
    count = plan.study.sweeps[sweep].reference.problems
    usable: dict[str, Problem] = {}
    for problem in _pool(plan, sweep):
        same = usable.get(problem.question, problem)
        if problem.error is None and problem.problem_id <= same.problem_id:
            usable[problem.question] = problem
    return heapq.nsmallest(count, usable.values(), key=_place)


def reference_shards(plan: Plan, sweep: str) -> list[str]:
    """Names of the shards that may hold the reference problems."""
    name, size = reference_source(plan, sweep), plan.study.engine.shard_size
    if plan.study.sources[name].hub is None:
        rows = {problem.row for problem in reference_problems(plan, sweep)}
    else:
        rows = set(range(_first_rows(plan, sweep)))
    places = {row // size for row in rows}
    return [item.name for item in plan.shards if item.source == name and item.index in places]


def reference_identity(plan: Plan, sweep: str) -> dict[str, Any]:
    """What generation needs to know of the reference problems: a digest of their content, and who
    they are, which is not known before a source is fetched."""
    reference, name = plan.study.sweeps[sweep].reference, reference_source(plan, sweep)
    source = plan.study.sources[name]
    if source.hub is not None:
        definition = source_definition(source)
        chosen = [reference.problems, "smallest digests", _first_rows(plan, sweep)]
        return {"content": digest(plain(source.hub), definition, *chosen)}
    chosen = reference_problems(plan, sweep)
    return {"content": prompts_digest(chosen), "ids": [problem.problem_id for problem in chosen]}


def _place(problem: Problem) -> bytes:
    return hashlib.sha256(problem.question.encode("utf-8", "surrogatepass")).digest()


def _pool(plan: Plan, sweep: str) -> Iterable[Problem]:
    """Where the problems are chosen from.

    A model that writes its reasoning gives it for candidates alone. Rows of a hub are pinned, and
    those that are filled in rounds are traced in order: of both the first ones do, so that few
    traces must be there before anything is ablated.
    """
    study, name = plan.study, reference_source(plan, sweep)
    source = study.sources[name]
    writes = any(study.models[model].family == "reasoning" for model in study.models_of(sweep))
    in_rounds = source.chain_below and study.publish.fill_round
    if source.hub or in_rounds or (writes and name not in plan.known_sources()):
        most = _first_rows(plan, sweep)
        return (problem for problem in plan.problems(name) if problem.row < most)
    if writes:
        mine = (shard for shard in plan.shards if shard.source == name)
        return chain.from_iterable(map(plan.held, mine))
    return plan.problems(name)


def _first_rows(plan: Plan, sweep: str) -> int:
    """More rows than problems are asked for, since some cannot be used."""
    return 2 * plan.study.sweeps[sweep].reference.problems
