"""What a planned run will make: rows that no earlier job has left, and how long that takes at the
speed of earlier jobs."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.joblog import duration
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.shards import Shard

MAKERS = ("trace", "generate", "ablate")
"""Rules whose jobs make a shard's rollouts, in the order in which they do."""
DECIDES = ("model", "decoding", "engine", "libraries")
"""Params that decide every row of a job."""
MOST_SHARDS, MOST_ROWS = 64, 20_000
"""Of a model, looked at one by one; the others are taken to miss as large a share."""
MOST_LOGS = 500
"""Of a rule and a model."""

_MADE = re.compile(r" (\d+) made, [\d.]+ s$", re.MULTILINE)
_TOOK = re.compile(r" took ([\d.]+) s$", re.MULTILINE)


class PlannedJob(NamedTuple):
    """A job of the workflow that would run."""

    rule: str
    model: str
    sweep: str
    """Empty where there is none."""
    shard: str
    """source/number; of jobs that work on none, no name of a shard."""
    told: Callable[[], Mapping[str, Any]]
    """Its params by name."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self[:4]


class Work(NamedTuple):
    """What the jobs of a model come to."""

    jobs: int
    rows: float
    """To be made."""
    seconds: float | None
    """One after the other; None where no earlier job tells."""


def work_of(plan: Plan, results: Path, jobs: Sequence[PlannedJob]) -> dict[str, Work]:
    """Model → what its jobs come to."""
    rows, speed = rows_to_make(plan, results, jobs), Speed(results)
    groups: dict[str, list[PlannedJob]] = defaultdict(list)
    for job in jobs:
        groups[job.model].append(job)
    found = {}
    for model, own in groups.items():
        seconds = [speed.seconds(job, rows.get(job.key)) for job in own]
        known = None if None in seconds else sum(seconds)
        found[model] = Work(len(own), sum(rows.get(job.key, 0) for job in own), known)
    return found


def rows_to_make(
    plan: Plan, results: Path, jobs: Iterable[PlannedJob]
) -> dict[tuple[str, str, str, str], float]:
    """Key of every job that makes a shard's rollouts → how many of its rows are not kept."""
    groups: dict[str, list[PlannedJob]] = defaultdict(list)
    for job in jobs:
        if job.rule in MAKERS:
            groups[job.model].append(job)
    found: dict[tuple[str, str, str, str], float] = {}
    for model, own in groups.items():
        own.sort(key=lambda job: MAKERS.index(job.rule))
        found |= _Missing(plan, results / "kept" / model, own).rows()
    return found


def rollouts_of(plan: Plan, model: str) -> int:
    """Rows of the rollouts table that a model makes, at most."""
    study, problems = plan.study, sum(shard.rows for shard in plan.shards)
    conditions = sum(
        1 + len(sweep.all_conditions())
        for key, sweep in study.sweeps.items()
        if model in study.models_of(key)
    )
    return problems * conditions * study.decoding_of(model).samples


def rows_read(plan: Plan, job: PlannedJob) -> int | None:
    """Rows that a job reads which makes none: rollouts, or problems."""
    if job.rule == "grade":
        shard = next((shard for shard in plan.shards if shard.name == job.shard), None)
        return wanted_rows(plan, job, shard) if shard else None
    if job.rule in ("merge", "compare_graders"):
        return rollouts_of(plan, job.model)
    if job.rule == "report":
        return sum(rollouts_of(plan, model) for model in plan.study.models)
    if job.rule in ("problems", "judge", "draw", "reason"):
        return sum(shard.rows for shard in plan.shards)
    return None


def wanted_rows(plan: Plan, job: PlannedJob, shard: Shard) -> int:
    """Rows of a shard that a job makes where none is kept."""
    conditions = 1
    if job.sweep:
        conditions = len(plan.study.sweeps[job.sweep].all_conditions()) + (job.rule != "ablate")
    return shard.rows * conditions * plan.study.decoding_of(job.model).samples


class _Missing:
    """The rows of a model that are not kept, counted in some shards."""

    def __init__(self, plan: Plan, kept: Path, jobs: Sequence[PlannedJob]):
        self._plan, self._kept, self._jobs = plan, kept, jobs
        self._shards = {shard.name: shard for shard in plan.shards}
        names = list(dict.fromkeys(job.shard for job in jobs))
        here = [name for name in names if plan.source_file(name.rpartition("/")[0]).is_file()]
        chosen = here[:: max(1, math.ceil(len(here) / MOST_SHARDS))]
        rows = sum(wanted_rows(plan, job, self._shards[job.shard]) for job in jobs)
        step = max(1, math.ceil(rows * len(chosen) / max(1, len(names)) / MOST_ROWS))
        self._held = {name: self._usable(name)[::step] for name in chosen}
        self._known: dict[str, set[str]] = {}

    def rows(self) -> dict[tuple[str, str, str, str], float]:
        shares = {job.key: self._share(job) for job in self._jobs if job.shard in self._held}
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        for (rule, _, sweep, _), share in shares.items():
            groups[rule, sweep].append(share)
        found = {}
        for job in self._jobs:
            known = groups.get((job.rule, job.sweep), [1.0])
            share = shares.get(job.key, sum(known) / len(known))
            found[job.key] = share * wanted_rows(self._plan, job, self._shards[job.shard])
        return found

    def _usable(self, name: str) -> list[Problem]:
        return [problem for problem in self._plan.held(self._shards[name]) if not problem.error]

    def _share(self, job: PlannedJob) -> float:
        """Of the rows a job wants, those that no earlier job, run or planned, leaves to it."""
        problems, told = self._held[job.shard], job.told()
        if job.shard not in self._known:
            source = job.shard.rpartition("/")[0]
            self._known[job.shard] = kept_keys(self._kept / source, [p.row for p in problems])
        conditions = {BASELINE: None} if job.rule == "trace" else told["conditions"]
        reference = (told.get("reference problems") or {}).get("content")
        recipe = Recipe(conditions, {name: told[name] for name in DECIDES}, reference)
        keys = [
            recipe.row_key(problem, condition, sample)
            for problem in problems
            for condition in conditions
            if job.rule != "ablate" or condition != BASELINE
            for sample in range(self._plan.study.decoding_of(job.model).samples)
        ]
        absent = [key for key in keys if key not in self._known[job.shard]]
        self._known[job.shard].update(absent)
        return len(absent) / len(keys) if keys else 0.0


def kept_keys(folder: Path, rows: Sequence[int]) -> set[str]:
    """Keys of the rows kept in `folder`, in files that may hold these rows of the source."""
    found: set[str] = set()
    for path in folder.glob("*-*.*"):
        first, last = path.name.partition(".")[0].split("-")[:2]
        if not rows or not (first.isdigit() and last.isdigit()):
            continue
        if int(first) <= max(rows) and min(rows) <= int(last):
            files = path.glob("[0-9]*.parquet") if path.is_dir() else [path]
            for file in files:
                found.update(_keys_in(file))
    return found


def _keys_in(file: Path) -> Iterator[str]:
    if file.suffix != ".parquet":
        return
    with suppress(OSError, pa.ArrowException):  # damaged: its rows are made again
        table = pq.read_table(file, columns=["row_key", "finish_reason"])
        for row in table.to_pylist():
            if row["finish_reason"] != "failed":
                yield row["row_key"]


class Speed:
    """How long jobs took and how many rows they made, as the logs of a study tell."""

    def __init__(self, results: Path):
        self._results = results
        self._known: dict[tuple[str, str], list[tuple[int, float]]] = {}

    def seconds(self, job: PlannedJob, rows: float | None) -> float | None:
        """Of a job that makes so many rows, or of any job of its kind where `rows` is None."""
        measured = self._measured(job.rule, job.model)
        if rows is None:
            times = [seconds for _, seconds in measured]
            return sum(times) / len(times) if times else None
        made = [(count, seconds) for count, seconds in measured if count]
        if not rows and measured:
            idle = [seconds for count, seconds in measured if not count]
            return min(idle or [seconds for _, seconds in made])
        total = sum(count for count, _ in made)
        return rows * sum(seconds for _, seconds in made) / total if made else None

    def _measured(self, rule: str, model: str) -> list[tuple[int, float]]:
        """(rows made, seconds) of finished jobs."""
        if (rule, model) not in self._known:
            logs = self._results / "logs" / rule
            of_all = logs / model if model else logs
            found = islice(sorted(of_all.rglob("*.log")), MOST_LOGS)
            alone = [of_all.with_name(f"{of_all.name}.log")]
            texts = (log.read_text("utf-8", "replace") for log in [*alone, *found] if log.is_file())
            self._known[rule, model] = [
                (sum(map(int, _MADE.findall(text))), float(took[1]))
                for text in texts
                if (took := _TOOK.search(text))
            ]
        return self._known[rule, model]


def told(unit: str, rows: float | None, seconds: float | None) -> str:
    """In words, for the end of a line; nothing where nothing is known."""
    parts = [] if rows is None else [f"{rows:,.0f} {unit}{'s' * (round(rows) != 1)}"]
    parts += [] if seconds is None else [f"about {duration(seconds)}"]
    return f" — {', '.join(parts)}" if parts else ""
