"""Filling missing chains of thought: which problems lack one, and in which rounds they are traced.

A round is traced only while too few problems have a chain. It is a range of rows of a source,
whatever the size of shards, so that the same problems are traced however the work is cut.
"""

from cotsieve.problems.exploratory import shortest_exploratory
from cotsieve.problems.problem import Problem
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import reference_shards
from cotsieve.study.plan.shards import Shard
from cotsieve.study.settings.study import Study

Stretch = tuple[str, int]
"""A source and the number of a range of its rows: what is traced together or not at all."""


def chains(plan: Plan) -> tuple[list[Problem], set[str]]:
    """All problems of all sources, and the ids of those that lack a chain of thought."""
    sources = plan.study.sources.items()
    everything = [problem for name, _ in sources for problem in plan.catalogue(name).problems()]
    asked = [plan.asked(name) for name, source in sources if source.chain_below]
    return everything, {problem.problem_id for pool in asked for problem in pool.problems()}


def least_tokens(study: Study) -> int:
    """How many tokens the thought of a trace needs to be published."""
    chosen, rule = study.publish.traces.least_tokens, study.quality
    if chosen != "exploratory":
        return chosen
    return shortest_exploratory(rule.positions, rule.exploratory)


def rounds(plan: Plan) -> dict[str, int]:
    """Name of a shard → the round it is traced in, from 0.

    Not in it are shards that are traced in any case: those of sources that ask for no chains, and
    of stretches whose traces other shards need as donors.
    """
    donors = _donors(plan)
    found = {shard.name: _stretch(plan, shard) for shard in plan.shards}
    always = {stretch for name, stretch in found.items() if name in donors} | {None}
    waiting = [stretch for stretch in dict.fromkeys(found.values()) if stretch not in always]
    numbers = {stretch: number for number, stretch in enumerate(waiting)}
    return {name: numbers[stretch] for name, stretch in found.items() if stretch in numbers}


def before_round(plan: Plan, number: int, numbers: dict[str, int]) -> list[Shard]:
    """The shards that lack chains and are traced before a round, in order; `numbers`: `rounds`."""
    sources = plan.study.sources
    lacking = [shard for shard in plan.shards if sources[shard.source].chain_below]
    return [shard for shard in lacking if numbers.get(shard.name, -1) < number]


def same_round(plan: Plan, shard: Shard) -> list[Shard]:
    """The other shards that are surely traced where this one is, in order."""
    mine = _stretch(plan, shard)
    return [other for other in plan.shards if other != shard and _stretch(plan, other) == mine]


def _donors(plan: Plan) -> set[str]:
    """Names of the shards whose traces a sweep takes donors from."""
    study = plan.study
    writing = {name for name, model in study.models.items() if model.family == "reasoning"}
    return {
        shard
        for name, sweep in study.sweeps.items()
        if sweep.needs_reference and writing.intersection(study.models_of(name))
        for shard in reference_shards(plan, name)
    }


def _stretch(plan: Plan, shard: Shard) -> Stretch | None:
    """The stretch of a shard; None if it is traced whatever others have given."""
    size = plan.study.publish.fill_round
    if size is None or not plan.study.sources[shard.source].chain_below:
        return None
    return shard.source, shard.index * plan.shard_size // size
