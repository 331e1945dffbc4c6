"""Which problems give a sweep its means and donors: a choice without order or history.

They are those whose question has the smallest digest, so an edited or an added row changes the
choice about once in N / 64 times, wherever it stands.
"""

from typing import Any

import numpy as np

from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Pool
from cotsieve.problems.index import key_of
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
    pool = _pool(plan, sweep)
    usable = pool.only(pool.catalogue.usable[pool.places])
    first = np.unique(usable.field("question"))[:count]
    found: dict[int, Problem] = {}
    for problem in usable.only(np.isin(usable.field("question"), first)).problems():
        place = key_of(problem.question)
        if problem.problem_id <= found.get(place, problem).problem_id:
            found[place] = problem
    return [found[place] for place in sorted(found)]


def reference_shards(plan: Plan, sweep: str) -> list[str]:
    """Names of the shards that may hold the reference problems."""
    name, size = reference_source(plan, sweep), plan.shard_size
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


def _pool(plan: Plan, sweep: str) -> Pool:
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
        asked = plan.asked(name)
        return asked.only(asked.field("row") < _first_rows(plan, sweep))
    if writes:
        known = plan.known_sources()
        return plan.selected(known, study.select.limit).pools[known.index(name)]
    return plan.asked(name)


def _first_rows(plan: Plan, sweep: str) -> int:
    """More rows than problems are asked for, since some cannot be used."""
    return 2 * plan.study.sweeps[sweep].reference.problems
