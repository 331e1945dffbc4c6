"""From a shard of problems to what the model wrote, and whether that is right."""


rule fetch_model:
    """Fetch a model that is named by hub repository, once; a local one is only checked."""
    output:
        "results/{study}/models/{model}.json",
    params:
        model=lambda wildcards: IDENTITIES[wildcards.model],
    wildcard_constraints:
        model=names(COMPUTED),
    log:
        "results/{study}/logs/fetch_model/{model}.log",
    localrule: True
    conda:
        "../../envs/cotsieve.yaml"
    script:
        "../scripts/fetch_model.py"


rule generate:
    """Run a shard under every condition of a sweep. Raw generations only: nothing is graded."""
    input:
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
        model=ancient("results/{study}/models/{model}.json"),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    params:
        code=code_digest("generate", ROOT, pinned=True),
        libraries=LIBRARIES,
        model=lambda wildcards: IDENTITIES[wildcards.model],
        conditions=lambda wildcards: conditions_of(wildcards.model, wildcards.sweep),
        decoding=plain(study.decoding),
        reference=lambda wildcards: REFERENCES[wildcards.sweep],
        problems=lambda wildcards: shard_of(wildcards).prompts,
    wildcard_constraints:
        model=names(COMPUTED),
    log:
        "results/{study}/logs/generate/{model}/{sweep}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/generate/{model}/{sweep}/{source}/{shard}.tsv"
    conda:
        "../../envs/cotsieve.yaml"
    script:
        "../scripts/generate.py"


rule import_rollouts:
    """Take finished rollouts from the published script's checkpoint file."""
    input:
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
        results=lambda wildcards: ancient(str(located(study.models[wildcards.model].results))),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    params:
        code=code_digest("import_rollouts", ROOT, pinned=True),
        results=lambda wildcards: content_digest(located(study.models[wildcards.model].results)),
        ablation=lambda wildcards: study.models[wildcards.model].ablation,
        problems=lambda wildcards: shard_of(wildcards).prompts,
    wildcard_constraints:
        model=names(IMPORTED),
    log:
        "results/{study}/logs/import_rollouts/{model}/{sweep}/{source}/{shard}.log",
    conda:
        "../../envs/cotsieve.yaml"
    script:
        "../scripts/import_rollouts.py"


rule grade:
    """Compare every rollout of a shard with its reference answer."""
    input:
        rollouts="results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
        source=lambda wildcards: ancient(str(plan.source_file(wildcards.source))),
    output:
        "results/{study}/grades/{model}/{sweep}/{source}/{shard}.parquet",
    params:
        code=code_digest("grade", ROOT, pinned=True),
        grading=plain(study.grading),
        references=lambda wildcards: shard_of(wildcards).references,
    log:
        "results/{study}/logs/grade/{model}/{sweep}/{source}/{shard}.log",
    conda:
        "../../envs/cotsieve.yaml"
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
    params:
        code=code_digest("merge", ROOT),
        sweeps=lambda wildcards: {
            sweep: list(conditions_of(wildcards.model, sweep))
            for sweep in sweeps_of(wildcards.model)
        },
        parts=lambda wildcards: parts("", wildcards.model),
        origin=lambda wildcards: origin_of(wildcards.model),
    log:
        "results/{study}/logs/merge/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    script:
        "../scripts/merge.py"
