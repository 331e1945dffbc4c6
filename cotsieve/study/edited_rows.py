"""How many rows of a shard were edited since its result was made, where that can be known.

A result remembers its problems by a digest. The table of all problems holds them still if no run
has made it anew since; that digest tells whether it does.
"""

from collections import defaultdict
from functools import cached_property
from pathlib import Path

from cotsieve.ground.faults import BadInput
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS, problems_from
from cotsieve.study.plan import Plan
from cotsieve.study.shards import Groups, Shard, prompt_of, prompts_digest


class EditedRows:
    """The problems of a plan beside those that its study's table of problems was written with."""

    def __init__(self, plan: Plan, table: Path):
        self._plan, self._table = plan, table

    def count(self, shard: str, before: str) -> int | None:
        """Rows of the shard source/number of which generation reads something else than when its
        problems had the digest `before`; None where the table tells of another time, or of none."""
        found = self._shards.get(shard)
        written = self._written.get((found.source, found.index), []) if found else []
        if not written or prompts_digest(written) != before:
            return None
        known = {tuple(prompt_of(problem)) for problem in written}
        return sum(tuple(prompt_of(problem)) not in known for problem in self._plan.held(found))

    @cached_property
    def _shards(self) -> dict[str, Shard]:
        return {shard.name: shard for shard in self._plan.shards}

    @cached_property
    def _written(self) -> Groups:
        groups: Groups = defaultdict(list)
        try:
            table = read(self._table, PROBLEMS)
        except BadInput:  # gone or damaged, and then the plan says so
            return groups
        size = self._plan.study.engine.shard_size
        for problem in problems_from(table):
            groups[problem.source, problem.row // size].append(problem)
        return groups
