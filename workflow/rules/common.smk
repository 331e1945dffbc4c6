"""What the rules share: the study, its plan, and what each script's results depend on."""

from pathlib import Path

from snakemake.exceptions import WorkflowError

from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import content_digest
from cotsieve.study.identity import (
    GENERATION_LIBRARIES,
    code_digest,
    library_versions,
    model_identity,
)
from cotsieve.study.places import located
from cotsieve.study.plan import Plan
from cotsieve.study.settings import ImportedModel, plain, read_study

ROOT = Path(workflow.basedir)

try:
    study = read_study(config)
    plan = Plan(study)
    SHARDS = {shard.name: shard for shard in plan.shards}
    IDENTITIES = {
        name: model_identity(model)
        for name, model in study.models.items()
        if not isinstance(model, ImportedModel)
    }
    REFERENCES = {name: plan.reference_digest(name) for name in study.sweeps}
    PROBLEMS = plan.content_digest()
except BadInput as error:
    raise WorkflowError(f"the study cannot run as it is:\n{error}") from None

STUDY = study.study
MODELS = list(study.models)
COMPUTED = list(IDENTITIES)
IMPORTED = [name for name in MODELS if name not in IDENTITIES]
LIBRARIES = library_versions(GENERATION_LIBRARIES)


def names(known):
    """A wildcard constraint: one of these names, whatever characters they hold."""
    return "|".join(map(re.escape, known)) or "(?!)"


wildcard_constraints:
    study=re.escape(STUDY),
    model=names(MODELS),
    sweep=names(study.sweeps),
    source=names(study.sources),
    shard=r"\d+",


def sweeps_of(model):
    """The sweeps a model takes part in."""
    return [name for name, sweep in study.sweeps.items() if model in (sweep.models or MODELS)]


def conditions_of(model, sweep):
    """Name → definition of the conditions a model runs in a sweep, the baseline (None) first."""
    defined = study.sweeps[sweep].all_conditions()
    if model in IMPORTED:
        defined = {study.models[model].ablation: None}
    return {"baseline": None} | defined


def sieve_of(model):
    """The sweep and the ablation that decide for a model."""
    return {"sweep": study.sieve.sweep, "condition": study.sieve.ablation}


def shard_of(wildcards):
    return SHARDS[f"{wildcards.source}/{wildcards.shard}"]


def print_summaries():
    """Show what the study found."""
    for model in MODELS:
        summary = Path(f"results/{STUDY}/summary/{model}.txt")
        if summary.is_file():
            print(f"\n{STUDY} · {model}\n{summary.read_text()}")


def parts(kind, model):
    """The shard files of a model, of every sweep it takes part in, in order."""
    return [
        f"results/{STUDY}/{kind}/{model}/{sweep}/{shard}.parquet"
        for sweep in sweeps_of(model)
        for shard in SHARDS
    ]


def origin_of(model):
    """What made a model's rollouts, for the card and the metadata of the tables."""
    if model in IMPORTED:
        return {"results": content_digest(located(study.models[model].results))}
    return {
        "model": IDENTITIES[model],
        "conditions": {sweep: conditions_of(model, sweep) for sweep in sweeps_of(model)},
        "decoding": plain(study.decoding),
        "grading": plain(study.grading),
        "libraries": LIBRARIES,
        "code": code_digest("generate", ROOT, pinned=True),
    }
