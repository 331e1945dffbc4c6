"""What the scripts that make rollouts need besides their params: plan, files, and how to run."""

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cotsieve.ground.faults import bad
from cotsieve.ground.named_params import named
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.finished import Finished
from cotsieve.rollouts.job import Job, Running
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.own_gpu import SCHEDULERS, visible_gpus
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.stretches import Ahead
from cotsieve.study.jobs.of_job import plan_of
from cotsieve.study.jobs.places import model_files, model_places
from cotsieve.study.plan.filling import same_round
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import reference_identity, reference_problems
from cotsieve.study.plan.shards import Shard
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.places import located
from cotsieve.study.settings.study import Study

DECIDES = ("model", "decoding", "engine", "libraries")
"""Params that decide every row of a job."""


@dataclass(frozen=True)
class Making:
    """One job that makes rollouts."""

    study: Study
    plan: Plan
    names: Any
    """Wildcards: study, model, source, shard, and sweep where there is one."""
    told: Mapping[str, Any]
    """Params, by name."""
    problems: list[Problem]

    @classmethod
    def of(cls, snakemake: Any) -> "Making":
        """The job that a script was started for; its problems are checked against the plan."""
        plan, names, told = plan_of(snakemake), snakemake.wildcards, named(snakemake.params)
        problems = plan.planned(names.source, names.shard, told["problems"]["content"])
        return cls(plan.study, plan, names, told, problems)

    @property
    def reference(self) -> list[Problem]:
        """The problems that give means and donors; none where the sweep needs none."""
        needed, sweep = self.told["reference problems"], self.names.sweep
        if needed and reference_identity(self.plan, sweep) != needed:
            where = f"the problems that give sweep {sweep} means and donors"
            raise bad(where, "changed while the workflow ran", "Run it again.")
        return reference_problems(self.plan, sweep) if needed else []

    def job(self, snakemake: Any, what: str, recipe: Recipe, *, ahead: bool = False) -> Job:
        """What the job is given; `what` tells kept rows of sweeps and traces apart, `ahead` is
        whether it may work on other shards."""
        fetched = snakemake.input.get("model") or None
        return Job(
            snakemake.output[0],
            self.problems,
            plain(self.study.models[self.names.model]),
            self.decoding,
            recipe,
            self._running(fetched, snakemake.threads),
            self._kept(what, self._shard, self.problems),
            self.ahead(what) if ahead else (),
        )

    @property
    def decoding(self) -> dict[str, Any]:
        """The full definition of how the model's text is decoded."""
        return plain(self.study.decoding_of(self.names.model))

    def recipe(self, conditions: dict[str, Any]) -> Recipe:
        """What decides the rows of this job."""
        known = self.told.get("reference problems")
        reference = known["content"] if known else None
        decides = {name: self.told[name] for name in DECIDES}
        placed = {name: self._placed(name, definition) for name, definition in conditions.items()}
        return Recipe(placed, decides, reference)

    def _placed(self, name: str, definition: dict[str, Any] | None) -> dict[str, Any] | None:
        """A condition with the file that it reads activations from, if it does."""
        if not definition or "activations_sha256" not in definition:
            return definition
        told = self.study.sweeps[self.names.sweep].conditions[name]
        return definition | {"activations": str(located(told.activations))}

    def _running(self, fetched: str | None, threads: int) -> Running:
        """How the model is run; the file `fetched` says where the parts from a hub lie."""
        engine = self.study.engine
        model = self.study.models[self.names.model]
        noted, places = model_files(model, fetched), model_places(model)
        return Running(noted, places, engine.device, engine.batch_rows, threads, engine.held_rows)

    def ahead(self, what: str) -> Iterator[Ahead]:
        """Other shards of the study that this job may work on while its model is loaded.

        Those that follow come first. A shard of a source that is not on this machine, or not
        fetched yet, is left to its own job.
        """
        found = filter(self._is_here, self._others())
        unfinished = (shard for shard in found if not self._finished(what, shard).is_noted())
        for shard in itertools.islice(unfinished, self._most_ahead()):
            problems = self.plan.held(shard)
            yield Ahead(problems, self._kept(what, shard, problems))

    def _others(self) -> list[Shard]:
        """The shards of this round after this one, then those before it."""
        places = {shard.name: place for place, shard in enumerate(self.plan.shards)}
        mine = places[self._shard.name]
        others = same_round(self.plan, self._shard)
        return sorted(others, key=lambda shard: places[shard.name] < mine)

    def _is_here(self, shard: Shard) -> bool:
        """Whether the files that tell which problems a shard holds can be read."""
        needed = self.plan.sources_for(shard.source, f"{shard.index:04d}")
        return all(self.plan.source_file(name).is_file() for name in needed)

    @property
    def _shard(self) -> Shard:
        mine = f"{self.names.source}/{self.names.shard}"
        return next(shard for shard in self.plan.shards if shard.name == mine)

    def _most_ahead(self) -> int:
        """How many; by itself a job takes others only where it has a machine's one GPU alone."""
        chosen = self.study.engine.ahead
        if chosen != "auto":
            return chosen
        if self.study.engine.device == "cpu" or any(name in os.environ for name in SCHEDULERS):
            return 0
        return len(self.plan.shards) if len(visible_gpus(os.environ)) == 1 else 0

    def _kept(self, what: str, shard: Shard, problems: list[Problem]) -> KeptRows:
        engine, names = self.study.engine, self.names
        return KeptRows(
            f"results/{names.study}/kept/{names.model}/{shard.source}",
            what,
            [problem.row for problem in problems],
            most_problems=engine.keep_problems,
            most_seconds=engine.keep_seconds,
            finished=self._finished(what, shard),
        )

    def _finished(self, what: str, shard: Shard) -> Finished:
        problems = {"rows": shard.rows, "content": shard.prompts}
        return Finished.of(self.names, self.told, what, shard.name, problems)
