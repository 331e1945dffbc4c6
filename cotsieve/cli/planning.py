"""The plan of a study, as Snakemake makes it; nothing is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    ResourceSettings,
)

from cotsieve.ground.checkout import SHIPPED
from cotsieve.study.checks.preflight import main
from cotsieve.study.checks.work import Work, work_of
from cotsieve.study.plan.problems import Plan


def planned_workflow(
    api: SnakemakeApi, study: Path, directory: Path | None = None, targets: list[str] | None = None
) -> Any:
    """Snakemake's workflow with the jobs a run would start, as `profiles/default` lets it."""
    profile = yaml.safe_load((SHIPPED / "profiles/default/config.yaml").read_text())
    workflow_api = api.workflow(
        ResourceSettings(cores=1),
        ConfigSettings(configfiles=[study.absolute()]),
        snakefile=SHIPPED / "Snakefile",
        workdir=directory,
    )
    workflow_api.dag(
        DAGSettings(
            targets=set(targets or []),
            rerun_triggers={RerunTrigger.parse_choice(name) for name in profile["rerun-triggers"]},
            force_incomplete=profile["rerun-incomplete"],
        )
    )
    # What every command of Snakemake does before it acts on the plan; it offers no public way.
    workflow = workflow_api._workflow
    workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True, nolock=True)
    workflow._build_dag()
    return workflow


def check_planned(study: Path) -> int:
    """Look for all that would stop a run, and tell what a run would make; the exit code."""

    def work_in(plan: Plan) -> Mapping[str, Work]:
        with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
            workflow = planned_workflow(api, study)
            jobs = workflow.globals["model_jobs"]()
            return work_of(plan, Path("results") / plan.study.study, jobs)

    return main(str(study), work_in)
