"""Filling missing chains of thought: which problems lack one, and in which rounds they are traced.

A later round is traced only while too few problems have a chain. A round is a range of rows of a
source, whatever the size of shards, so that the same problems are traced however the work is cut.
"""

from collections.abc import Sequence

from cotsieve.problems.problem import Problem
from cotsieve.study.plan import Plan, Shard


def chains(plan: Plan) -> tuple[list[Problem], set[str]]:
    """All problems of all sources, and the ids of those that lack a chain of thought."""
    sources = plan.study.sources.items()
    everything = [problem for name, _ in sources for problem in plan.rows(name)]
    asked = [name for name, source in sources if source.chain_below]
    return everything, {problem.problem_id for name in asked for problem in plan.problems(name)}


def round_of(plan: Plan, shard: Shard) -> int:
    """The round a shard belongs to, from 0; all are in round 0 where there are no rounds."""
    if plan.study.publish.fill_round is None:
        return 0
    return _rounds(plan).index(_rows(plan, shard))


def before_round(plan: Plan, number: int) -> list[Shard]:
    """The shards of all rounds before this one, in order."""
    rounds = _rounds(plan)[:number]
    return [shard for shard in plan.shards if _rows(plan, shard) in rounds]


def same_round(plan: Plan, shard: Shard) -> list[Shard]:
    """The other shards that are traced in the round of a shard, in order."""
    rows = _rows(plan, shard)
    return [other for other in plan.shards if other != shard and _rows(plan, other) == rows]


def _rounds(plan: Plan) -> Sequence[tuple[str, int] | None]:
    return list(dict.fromkeys(_rows(plan, shard) for shard in plan.shards))


def _rows(plan: Plan, shard: Shard) -> tuple[str, int] | None:
    """Source and range of rows that make a round."""
    size = plan.study.publish.fill_round
    if size is None:
        return None
    return shard.source, shard.index * plan.study.engine.shard_size // size
