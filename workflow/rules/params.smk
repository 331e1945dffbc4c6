"""What the results of a job depend on besides its files.

Snakemake compares the params of a job as a set of values without names. So every param is a dict
with its name inside: no change can hide behind an equal value of another param.
"""


def code_of(script, pinned=False):
    """What a rule's results depend on besides its inputs: the code its script reaches, and the
    libraries that it computes with.

    `pinned` is for jobs whose problems are checked against a digest: the code that reads them
    cannot change the result, and their rules name their libraries.
    """
    path = f"workflow/scripts/{script}.py"
    if pinned:
        return {"code": followed(code_identity, path, pinned=True)}
    return followed(script_identity, path)


def problems_of(wildcards):
    """The problems of a shard: their number is there to be told, the digest decides."""
    shard = shard_of(wildcards)
    return {"rows": shard.rows, "content": shard.prompts}


@functools.cache
def decoding_of(model):
    """How a model's text is decoded, as far as it is not the default."""
    return decided(study.decoding_of(model))


@functools.cache
def engine_of(model):
    """The code that computes a model's rows."""
    if model in LATENT:
        return LATENT_ENGINE
    foreign = study.models[model].writer == "vllm"
    return sorted({*REASONING_ENGINE, *VLLM_ENGINE}) if foreign else REASONING_ENGINE


@functools.cache
def results_of(model):
    """What the file with the finished rollouts of a model holds."""
    return content_digest(located(study.models[model].results))


def decided_by_model(wildcards):
    """What a model decides of its jobs."""
    model = wildcards.model
    return {"model": IDENTITIES[model], "decoding": decoding_of(model)}


def decided_by_sweep(wildcards):
    """What a sweep decides of the jobs of a model."""
    return {
        "conditions": conditions_of(wildcards.model, wildcards.sweep),
        "reference problems": REFERENCES[wildcards.sweep],
    }


def answers_read(wildcards):
    """The reference answers of a shard, where a condition may look for them in the reasoning."""
    conditions = conditions_of(wildcards.model, wildcards.sweep).values()
    reads = any(kind_of(definition) in READS_ANSWER for definition in conditions)
    return {"answers": shard_of(wildcards).references} if reads else {}


def origin_of(model):
    """What made a model's rollouts, for the card and the metadata of the tables."""
    if model in IMPORTED:
        return {"results": results_of(model)}
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


def trace_choice():
    """Which traces are published, with the least number of tokens as a number."""
    chosen = decided(study.publish.traces) if study.publish.traces else {}
    return chosen | (
        {"least_tokens": least_tokens(study)} if "least_tokens" in chosen else {}
    )


def trace_form(model):
    """What of a study decides its traces in the form of another one."""
    sweep, style = study.sieve_of(model).sweep, study.models[model].style
    return {
        "sweep": sweep,
        "conditions": conditions_of(model, sweep),
        "model": model,
        "instruction": bool(style.instruction),
        "greedy": study.decoding_of(model).temperature == 0,
        "close": style.close,
    }
