"""Plan the workflow in this process: what a dry run in one of its own would say, much sooner."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import Planned
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings


@contextmanager
def workflow_of(work: Path, root: Path, *targets: str) -> Iterator[Any]:
    """The workflow of the checkout `root` with its plan made, in the folder `work`.

    Its rules are those of the checkout, and so is the code that counts; what runs here is the
    package that this process has imported.
    """
    profile = yaml.safe_load((root / "profiles/default/config.yaml").read_text())
    before = os.getcwd()
    try:
        with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
            workflow_api = api.workflow(
                ResourceSettings(cores=2),
                ConfigSettings(configfiles=[work / "study.yaml"]),
                snakefile=root / "Snakefile",
                workdir=work,
            )
            triggers = {RerunTrigger.parse_choice(name) for name in profile["rerun-triggers"]}
            workflow_api.dag(DAGSettings(targets=set(targets), rerun_triggers=triggers))
            workflow = workflow_api._workflow
            workflow._prepare_dag(
                forceall=False, ignore_incomplete=False, lock_warn_only=True, nolock=True
            )
            workflow._build_dag()
            yield workflow
    finally:
        os.chdir(before)


def plan_here(work: Path, root: Path, *targets: str, libraries: str = "") -> Planned:
    """What a run would do, were the libraries in the folder `libraries` installed."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        if libraries:
            patch.syspath_prepend(libraries)
        workflow = stack.enter_context(workflow_of(work, root, *targets))
        jobs = [job for job in workflow.dag.needrun_jobs() if job.output]
        counts = Counter(job.rule.name for job in jobs)
        return Planned(dict(counts), [str(file) for job in jobs for file in job.output])


def accept_here(work: Path, root: Path) -> None:
    """Declare the results up to date as they are, as `--touch` does."""
    with workflow_of(work, root) as workflow:
        workflow.globals["accept"]()
