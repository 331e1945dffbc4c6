"""Saying for every job that would run what changed since its result was made; nothing is run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings

from cotsieve.cli.planning import planned_workflow
from cotsieve.ground.checkout import SHIPPED
from cotsieve.ground.named_params import named
from cotsieve.study.checks.explain import EditedRows, Explained, changes, grouped
from cotsieve.study.checks.work import PlannedJob, Speed, rows_read, rows_to_make
from cotsieve.study.identity.deciding import fault
from cotsieve.study.identity.ingredients import code_names
from cotsieve.study.identity.records import UNKNOWN, recorded_params
from cotsieve.study.identity.used import PARAM
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.file import study_values


def explain_study(study: Path, directory: Path | None, targets: list[str]) -> int:
    """Print a line per rule and reason; the exit code."""
    study_values(study)
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        try:
            lines = grouped(planned(api, study, directory, targets))
        except Exception as error:  # told as snakemake tells it, without a traceback
            api.print_exception(error)
            return 1
    print("\n".join(lines) or "Nothing to be done.")
    return 0


def planned(
    api: SnakemakeApi, study: Path, directory: Path | None, targets: list[str]
) -> list[Explained]:
    """The jobs a run of the study would start, as `profiles/default` lets it start them."""
    workflow = planned_workflow(api, study, directory, targets)
    needed = set(workflow.dag.needrun_jobs())
    plan = workflow.globals["plan"]
    edited = EditedRows(plan, Path("results") / plan.study.study / "problems.parquet")
    scripts = (SHIPPED / "workflow/scripts").glob("*.py")
    names = code_names([path.relative_to(SHIPPED).as_posix() for path in scripts], SHIPPED)
    levels = (sorted(level, key=_in_order) for level in workflow.dag.toposorted())
    jobs = [job for level in levels for job in level if job in needed and job.output]
    cost = costs(plan, [planned_job(job) for job in jobs])
    return [
        Explained(
            job.rule.name, name_of(job), tuple(reasons_for(job, workflow, edited, names)), *of_job
        )
        for job, of_job in zip(jobs, cost, strict=True)
    ]


def planned_job(job) -> PlannedJob:
    """A job of Snakemake as the count of its rows wants it."""
    of = job.wildcards_dict.get
    names = of("model") or "", of("sweep") or "", shard_of(job)
    return PlannedJob(job.rule.name, *names, lambda: named(job.params))


def costs(plan: Plan, jobs: Sequence[PlannedJob]) -> Iterator[tuple[float | None, float | None]]:
    """Rows and seconds of every job, as far as they are known."""
    results = Path("results") / plan.study.study
    rows, speed = rows_to_make(plan, results, jobs), Speed(results)
    for job in jobs:
        made = rows.get(job.key)
        yield rows_read(plan, job) if made is None else made, speed.seconds(job, made)


def _in_order(job) -> tuple[str, str]:
    return job.rule.name, name_of(job)


def name_of(job) -> str:
    """The wildcards of a job, as its files are named by them."""
    return "/".join(value for key, value in job.wildcards_dict.items() if key != "study")


def reasons_for(job, workflow, edited: EditedRows, names: Mapping[str, str]) -> Iterator[str]:
    """Why a job is planned, what it was planned for first."""
    results = Path("results") / job.wildcards_dict["study"]
    made = recorded_params(results, job.output[0])
    missing = sorted(str(file) for file in job.output if not Path(file).exists())
    if made is None:
        there = len(missing) < len(job.output)
        yield UNKNOWN if there else "not made yet"
        return
    if missing:
        yield f"output missing: {', '.join(missing)}"
    if workflow.dag.reason(job).incomplete_output:
        yield "left incomplete by an earlier run"
    now = json.loads(json.dumps(named(job.params)))
    del now[PARAM]
    yield from changes(made, now, partial(edited.count, shard_of(job)), names)
    yield from (part for part in (fault(job) or "").split("; ") if part.startswith("changed"))
    makers = made_again_by(job, workflow)
    if makers:
        yield f"input is made again by {', '.join(makers)}"


def shard_of(job) -> str:
    """The shard that a job works on, as source/number; of other jobs the name of none."""
    return f"{job.wildcards_dict.get('source')}/{job.wildcards_dict.get('shard')}"


def made_again_by(job, workflow) -> list[str]:
    """Rules that make inputs of a job again, each once."""
    needed = set(workflow.dag.needrun_jobs())
    found = (other.rule.name for other in workflow.dag.dependencies[job] if other in needed)
    return sorted(set(found))
