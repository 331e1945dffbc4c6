"""From a shard of problems to what the model wrote, and whether that is right."""


rule fetch_model:
    """Fetch a model that is named by hub repository, once; a local one is only checked."""
    output:
        "results/{study}/models/{model}-{pin}.json",
    log:
        "results/{study}/logs/fetch_model/{model}-{pin}.log",
    wildcard_constraints:
        model=names(COMPUTED),
        pin="[0-9a-f]+",
    localrule: True
    conda:
        "../../envs/cotsieve.yaml"
    script:
        "../scripts/fetch_model.py"


rule generate:
    """Run a shard under every condition of a sweep. Raw generations only: nothing is graded."""
    input:
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
        model=lambda wildcards: ancient(MODEL_FILES[wildcards.model]),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/generate/{model}/{sweep}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/generate/{model}/{sweep}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(COMPUTED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage,
        code=code_of("generate", pinned=True),
        engine={"engine": ENGINE},
        libraries={"libraries": LIBRARIES},
        model=lambda wildcards: {"model": IDENTITIES[wildcards.model]},
        conditions=lambda wildcards: {
            "conditions": conditions_of(wildcards.model, wildcards.sweep)
        },
        decoding={"decoding": plain(study.decoding)},
        reference=lambda wildcards: {"reference problems": REFERENCES[wildcards.sweep]},
        problems=lambda wildcards: {"problems": shard_of(wildcards).prompts},
    script:
        "../scripts/generate.py"


rule import_rollouts:
    """Take finished rollouts from the published script's checkpoint file."""
    input:
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
        results=lambda wildcards: ancient(
            str(located(study.models[wildcards.model].results))
        ),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/import_rollouts/{model}/{sweep}/{source}/{shard}.log",
    wildcard_constraints:
        model=names(IMPORTED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage,
        code=code_of("import_rollouts", pinned=True),
        results=lambda wildcards: {
            "results": content_digest(located(study.models[wildcards.model].results))
        },
        ablation=lambda wildcards: {"ablation": study.models[wildcards.model].ablation},
        problems=lambda wildcards: {"problems": shard_of(wildcards).prompts},
    script:
        "../scripts/import_rollouts.py"


rule grade:
    """Compare every rollout of a shard with its reference answer."""
    input:
        rollouts="results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
    output:
        "results/{study}/grades/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/grade/{model}/{sweep}/{source}/{shard}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage,
        code=code_of("grade", pinned=True),
        grading={"grading": plain(study.grading)},
        references=lambda wildcards: {"answers": shard_of(wildcards).references},
    script:
        "../scripts/grade.py"


rule merge:
    """Put all rollouts and grades of a model into one table."""
    input:
        problems="results/{study}/problems.parquet",
        rollouts=lambda wildcards: parts("rollouts", wildcards.model),
        grades=lambda wildcards: parts("grades", wildcards.model),
    output:
        "results/{study}/merged/{model}.parquet",
    log:
        "results/{study}/logs/merge/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage,
        code=code_of("merge"),
        sweeps=lambda wildcards: {
            "sweeps": {
                sweep: list(conditions_of(wildcards.model, sweep))
                for sweep in sweeps_of(wildcards.model)
            }
        },
        parts=lambda wildcards: {"shards": parts("rollouts", wildcards.model)},
        origin=lambda wildcards: {"origin": origin_of(wildcards.model)},
    script:
        "../scripts/merge.py"
