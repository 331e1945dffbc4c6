"""What the rules share: the study, its plan, and what each script's results depend on.

Snakemake compares the params of a job as a set of values without names. So every param here is a
dict with its name inside: no change can hide behind an equal value of another param.
"""

import atexit
import gc
from collections import Counter
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import apply_wildcards
from snakemake.logging import logger

from cotsieve.answers import graders
from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import CACHE, clear_left_behind, content_digest
from cotsieve.study.check import check_study
from cotsieve.study.identity import (
    GENERATION_LIBRARIES,
    code_identity,
    condition_identity,
    hub_pin,
    hub_places,
    library_versions,
    model_identity,
    model_places,
)
from cotsieve.study.integrity import Integrity
from cotsieve.study.lock import lock_study, unlock_study
from cotsieve.study.places import REPOSITORY, located
from cotsieve.study.plan import Plan
from cotsieve.study.filling import before_round, least_tokens, rounds
from cotsieve.study.preflight import preflight
from cotsieve.study.repeated_keys import refuse_repeated_keys
from cotsieve.study.model_settings import ImportedModel
from cotsieve.study.origin import study_origin
from cotsieve.study.part import decided
from cotsieve.study.settings import read_study
from cotsieve.study.study_file import origin_of, short_name

ROOT = REPOSITORY
# The plan of a large study is millions of objects that all live on. Python looks through them for
# garbage so often that a plan of 10,000 jobs takes an eighth longer.
gc.set_threshold(200_000, 20, 100)


class StudyError(WorkflowError):
    """What is wrong with a study, told without the lines of the workflow that found it."""

    __traceback__ = property(lambda self: None, lambda self, value: None)


try:
    for file in workflow.configfiles:
        refuse_repeated_keys(short_name(file))
    study = read_study(config, origin_of(workflow.configfiles, config))
    plan = Plan(study)
    if workflow.is_main_process:  # the jobs it starts need not look again
        check_study(plan)
    SHARDS = {shard.name: shard for shard in plan.shards}
    ROUNDS = rounds(plan)
    IDENTITIES = {
        name: model_identity(model, study.engine.batch_rows)
        for name, model in study.models.items()
        if not isinstance(model, ImportedModel)
    }
    REFERENCES = {
        name: plan.reference_digest(name) if sweep.needs_reference else None
        for name, sweep in study.sweeps.items()
    }
    PROBLEMS = plan.content_digest()
except BadInput as error:
    raise StudyError(f"the study cannot run as it is:\n{error}") from None

STUDY = study.study
MODELS = list(study.models)
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
integrity = Integrity(f"results/{STUDY}")
atexit.register(integrity.save)
# Rows are kept by the code that computes them, so that other edits never reach the GPU.
LATENT_ENGINE = code_identity("cotsieve/rollouts/generate.py", ROOT, pinned=True)
REASONING_ENGINE = code_identity("cotsieve/rollouts/reasoning.py", ROOT, pinned=True)
VLLM_ENGINE = code_identity("cotsieve/rollouts/vllm_writing.py", ROOT, pinned=True)
LIBRARIES = library_versions(GENERATION_LIBRARIES)
GRADER_LIBRARIES = library_versions(graders.LIBRARIES.get(study.grading.grader, ()))


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
    return [name for name in study.sweeps if model in study.models_of(name)]


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


def code_of(script, pinned=False):
    """What a rule's results depend on besides its inputs: the code its script reaches.

    `pinned` is for jobs whose problems are checked against a digest: the code that reads them
    cannot change the result.
    """
    return {"code": code_identity(f"workflow/scripts/{script}.py", ROOT, pinned=pinned)}


def damage(rule):
    """A param of all rules that make tables: rises when one of them is found damaged.

    Snakemake never compares a param whose function takes `output`, so the paths are made here.
    """

    def times(wildcards):
        files = [
            apply_wildcards(file, wildcards) for file in getattr(rules, rule).output
        ]
        return {"damaged": sum(map(integrity.times_damaged, files))}

    return times


def shard_of(wildcards):
    return SHARDS[f"{wildcards.source}/{wildcards.shard}"]


def problems_of(wildcards):
    """The problems of a shard: their number is there to be told, the digest decides."""
    shard = shard_of(wildcards)
    return {"problems": {"rows": shard.rows, "content": shard.prompts}}


def fetched_model(wildcards):
    """Where the parts of a model lie that come from a hub; none for a local model."""
    return ancient(FETCHED_MODELS.get(wildcards.model, []))


def own_file(path):
    """A user's file as an input; in a storage of the workflow lies only what the workflow makes.

    Its content enters by digest, so a touched file is not a changed one.
    """
    return local(ancient(str(located(path))))


def source_file(name):
    """The file of a source as an input."""
    source = study.sources[name]
    return ancient(str(plan.source_file(name))) if source.hub else own_file(source.path)


def source_files(wildcards):
    """The files that decide which problems a shard holds."""
    needed = plan.sources_for(wildcards.source, wildcards.shard)
    return [source_file(name) for name in needed]


def decoding_of(model):
    """How a model's text is decoded, as far as it is not the default."""
    return decided(study.decoding_of(model))


def donor_traces(wildcards):
    """The traces of the problems that give means and donors, where they are needed."""
    if not REFERENCES[wildcards.sweep]:
        return []
    return [
        f"results/{STUDY}/traces/{wildcards.model}/{shard}.parquet"
        for shard in plan.reference_shards(wildcards.sweep)
    ]


def reference_files(wildcards):
    """The file of the problems whose activations give means and donors, where they are needed."""
    if not REFERENCES[wildcards.sweep]:
        return []
    return [source_file(plan.reference_source(wildcards.sweep))]


def before_the_first_job():
    """What a real run does before it starts to work, and a dry run does not."""
    try:
        atexit.register(unlock_study, lock_study(f"results/{STUDY}"))
        for folder in (f"results/{STUDY}", CACHE):
            clear_left_behind(folder)
        here = workflow.local_exec
        for line in preflight(plan, model_jobs(), here=here, fetches=fetches()):
            logger.info(line)
    except BadInput as error:
        raise StudyError(f"the study cannot run now:\n{error}") from None


def model_jobs():
    """Model → how many jobs of this run load it."""
    return Counter(
        job.wildcards.model
        for job in workflow.dag.needrun_jobs()
        if job.rule.name in ("generate", "trace", "ablate")
    )


def fetches():
    """The sources that this run fetches."""
    return {
        job.wildcards.source
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "fetch_source"
    }


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


def engine_of(model):
    """The code that computes a model's rows."""
    if model in LATENT:
        return LATENT_ENGINE
    foreign = study.models[model].writer == "vllm"
    return REASONING_ENGINE | VLLM_ENGINE if foreign else REASONING_ENGINE


def origin_of(model):
    """What made a model's rollouts, for the card and the metadata of the tables."""
    if model in IMPORTED:
        return {"results": content_digest(located(study.models[model].results))}
    return {
        "model": IDENTITIES[model],
        "conditions": {
            sweep: conditions_of(model, sweep) for sweep in sweeps_of(model)
        },
        "decoding": decoding_of(model),
        "grading": decided(study.grading),
        "libraries": LIBRARIES,
        "engine": engine_of(model),
    }


def made_of(model):
    """What decides a model's dataset beyond what its tables tell of their origin."""
    sweeps = sweeps_of(model)
    origin = study_origin(plan)
    origin["reference"] = {
        name: what for name, what in origin["reference"].items() if name in sweeps
    }
    if GRADER_LIBRARIES:
        origin["grader libraries"] = GRADER_LIBRARIES
    if model in IMPORTED:
        origin["grading"] = decided(study.grading)
    return origin


def traces_of(model):
    """How the reasoning of a model is marked, and whether it came with the problem."""
    settings = study.models[model]
    return {
        "open": settings.style.open,
        "close": settings.style.close,
        "given": settings.traces == "given",
    }


def rounds_before(wildcards):
    """Where it stands whether a shard still needs traces, if what was traced before decides that."""
    number = ROUNDS.get(f"{wildcards.source}/{wildcards.shard}")
    if number is None or study.models[wildcards.model].traces == "given":
        return []
    return f"results/{STUDY}/fill/{wildcards.model}/{number}.json"


def tested_before(kind):
    """The rollouts or grades of the rounds before one, in the sweep that decides."""

    def files(wildcards):
        sweep = study.sieve_of(wildcards.model).sweep
        return [
            f"results/{STUDY}/{kind}/{wildcards.model}/{sweep}/{shard.name}.parquet"
            for shard in before_round(plan, int(wildcards.round), ROUNDS)
        ]

    return files


def trace_choice():
    """Which traces are published, with the least number of tokens as a number."""
    chosen = decided(study.publish.traces) if study.publish.traces else {}
    return chosen | (
        {"least_tokens": least_tokens(study)} if "least_tokens" in chosen else {}
    )


def published_traces():
    """Datasets of traces that the study asks for; given reasoning is not the model's to publish."""
    if study.publish.traces is None:
        return []
    return [
        f"results/{STUDY}/{name.format(model)}"
        for model in REASONING
        if study.models[model].traces == "own"
        for name in ["traces_dataset/{}/README.md", "filled/{}.json"][
            : 2 if study.publish.fill else 1
        ]
    ]


def files_of_quality(wildcards):
    """The source, and the files it is compared with."""
    others = [located(item.path) for item in study.quality.against]
    return [
        ancient(str(file)) for file in [plan.source_file(wildcards.source), *others]
    ]
