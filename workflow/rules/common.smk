"""What the rules share: the study, its plan, and what happens before and after the jobs."""

import atexit
import functools
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from cotsieve.answers import graders
from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import content_digest
from cotsieve.ground.seeds import digest
from cotsieve.ground.checkout import TOLD_AT_THE_END
from cotsieve.interventions.changed import READS_ANSWER, kind_of
from cotsieve.ground.named_params import named
from cotsieve.study.checks.work import PlannedJob
from cotsieve.study.checks.start import before_the_first_job, planned, quicken_planning
from cotsieve.study.identity.ingredients import (
    GENERATION_LIBRARIES,
    code_identity,
    condition_identity,
    embedding_identity,
    library_versions,
    model_identity,
    script_identity,
)
from cotsieve.study.jobs.places import hub_pin, hub_places, model_places
from cotsieve.study.identity.at_work import record
from cotsieve.study.identity.deciding import let_identities_decide
from cotsieve.study.identity.identities import Identities
from cotsieve.study.identity.records import Records
from cotsieve.study.identity.used import code_of_scripts
from cotsieve.study.plan.anchored import Anchored
from cotsieve.study.plan.filling import before_round, least_tokens, rounds
from cotsieve.study.plan.origin import study_origin
from cotsieve.study.plan.references import (
    reference_identity,
    reference_shards,
    reference_source,
)
from cotsieve.study.settings.models import ImportedModel
from cotsieve.study.settings.part import decided, plain
from cotsieve.study.settings.places import located

ROOT = Path(workflow.current_basedir).parents[1]
quicken_planning()


class StudyError(WorkflowError):
    """What is wrong with a study, told without the lines of the workflow that found it."""

    __traceback__ = property(lambda self: None, lambda self, value: None)


try:
    # The jobs a run starts need not look again at what the run has seen.
    plan = planned(workflow.configfiles, config, checked=workflow.is_main_process)
    study = plan.study
    SHARDS = {shard.name: shard for shard in plan.shards}
    ROUNDS = rounds(plan)
    IDENTITIES = {
        name: model_identity(model, study.engine.batch_rows)
        for name, model in study.models.items()
        if not isinstance(model, ImportedModel)
    }
    REFERENCES = {
        name: reference_identity(plan, name) if sweep.needs_reference else None
        for name, sweep in study.sweeps.items()
    }
    PROBLEMS = plan.content_digest()
    CODE = code_of_scripts(ROOT)
except BadInput as error:
    raise StudyError(f"the study cannot run as it is:\n{error}") from None

STUDY = study.study
MODELS = list(study.models)
PUBLISHED = study.anchors.published if study.anchors else {}
COMPUTED = list(IDENTITIES)
IMPORTED = [name for name in MODELS if name not in IDENTITIES]
REASONING = [name for name in COMPUTED if study.models[name].family == "reasoning"]
LATENT = [name for name in COMPUTED if name not in REASONING]
# What is fetched has its origin in its name. Local models are looked up when a job runs, so that
# moving them is no change.
FETCHED_MODELS = {
    name: f"results/{STUDY}/models/{name}-{hub_pin(study.models[name])}.json"
    for name in COMPUTED
    if hub_places(study.models[name])
}
EXISTING = (
    [study.existing.variant, content_digest(located(study.existing.path))]
    if study.existing
    else None
)
# What jobs run in counts where the workflow makes it; elsewhere their libraries do.
ENVIRONMENT = (
    content_digest(ROOT / "envs/cotsieve.yaml")
    if "conda" in map(str, workflow.deployment_settings.deployment_method)
    else None
)
identities = Identities(lambda: workflow.rules, CODE, ENVIRONMENT)
records = Records(f"results/{STUDY}")
identity_of = identities.param
let_identities_decide(workflow, identities, records)
if workflow.is_main_process:
    atexit.register(records.save)


def followed(code, *names, **how):
    """What some code is, in one line where it cannot be followed."""
    try:
        return code(*names, ROOT, **how)
    except BadInput as error:
        raise StudyError(f"the code cannot be followed:\n{error}") from None


def engine_code(file):
    """The code that computes rows: they are kept by it, so that other edits never reach the GPU."""
    return followed(code_identity, f"cotsieve/{file}", pinned=True)


LATENT_ENGINE = engine_code("rollouts/latent_rows.py")
REASONING_ENGINE = engine_code("rollouts/written_rows.py")
VLLM_ENGINE = engine_code("engine/library/vllm.py")
LIBRARIES = library_versions(GENERATION_LIBRARIES)
EVERY_GRADER_LIBRARY = library_versions(
    tuple(sorted({name for found in graders.LIBRARIES.values() for name in found}))
)
GRADER_LIBRARIES = library_versions(graders.LIBRARIES.get(study.grading.grader, ()))


def names(known):
    """A wildcard constraint: one of these names, whatever characters they hold."""
    return "|".join(map(re.escape, known)) or "(?!)"


wildcard_constraints:
    study=re.escape(STUDY),
    model=names([*MODELS, *PUBLISHED]),
    sweep=names(study.sweeps),
    source=names(study.sources),
    shard=r"\d+",


def sweeps_of(model):
    """The sweeps a model takes part in."""
    return [name for name in study.sweeps if model in study.models_of(name)]


@functools.cache
def conditions_of(model, sweep):
    """Name → definition of the conditions a model runs in a sweep, the baseline (None) first."""
    defined = study.sweeps[sweep].all_conditions()
    if model in IMPORTED:
        defined = {study.models[model].ablation: None}
    return {"baseline": None} | {
        name: what and condition_identity(what) for name, what in defined.items()
    }


def sieve_of(model):
    """The sweep and the ablation that decide for a model."""
    sieve = study.sieve_of(model)
    return {"sweep": sieve.sweep, "condition": sieve.ablation}


def shard_of(wildcards):
    return SHARDS[f"{wildcards.source}/{wildcards.shard}"]


def start():
    """What a real run does before it starts to work, and a dry run does not."""
    try:
        for line in before_the_first_job(
            plan,
            Path(f"results/{STUDY}"),
            model_jobs(),
            here=workflow.local_exec,
            fetches=fetches(),
        ):
            logger.info(line)
    except BadInput as error:
        raise StudyError(f"the study cannot run now:\n{error}") from None


def model_jobs():
    """The jobs of this run that load a model."""
    return [
        PlannedJob(
            job.rule.name,
            job.wildcards.model,
            job.wildcards.get("sweep", ""),
            f"{job.wildcards.get('source')}/{job.wildcards.get('shard')}",
            functools.partial(named, job.params),
        )
        for job in workflow.dag.needrun_jobs()
        if job.rule.name
        in ("generate", "trace", "ablate", "resample", "complete", "score")
    ]


def fetches():
    """The sources that this run fetches."""
    return {
        job.wildcards.source
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "fetch_source"
    }


def accept():
    """After `--touch`: record the results it went over as those of the study as it is."""
    for job in workflow.dag.needrun_jobs(exclude_finished=False):
        if job.output and all(Path(file).exists() for file in job.output):
            record(STUDY, job.params, job.output)


def print_summaries():
    """Show what the study found, unless who started the run will."""
    for model in [] if TOLD_AT_THE_END in os.environ else MODELS:
        summary = Path(f"results/{STUDY}/summary/{model}.txt")
        if summary.is_file():
            print(f"\n{STUDY} · {model}\n{summary.read_text()}")
