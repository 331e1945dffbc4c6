"""From a shard of problems to what the model wrote, and whether that is right.

These rules have a job per shard, and Snakemake asks every function of a rule for every job, and how
it is called, several times. So each has one function for its inputs and one for its params.
"""


rule fetch_model:
    """Fetch a model that is named by hub repository, once, and note where its files lie."""
    output:
        "results/{study}/models/{model}-{pin}.json",
    log:
        "results/{study}/logs/fetch_model/{model}-{pin}.log",
    wildcard_constraints:
        model=names(FETCHED_MODELS),
        pin="[0-9a-f]+",
    localrule: True
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("fetch_model", by_hand=True),
    script:
        "../scripts/fetch_model.py"


rule generate:
    """Run a shard under every condition of a sweep. Raw generations only: nothing is graded."""
    input:
        unpack(files_of_generation),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/generate/{model}/{sweep}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/generate/{model}/{sweep}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(LATENT),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("generate"),
        code=code_of("generate", pinned=True),
        engine={"engine": LATENT_ENGINE},
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            **decided_by_model(wildcards),
            **decided_by_sweep(wildcards),
            "problems": problems_of(wildcards),
        },
    script:
        "../scripts/generate.py"


rule trace:
    """Let a model reason and answer: the baseline every ablation of written reasoning starts from."""
    input:
        unpack(files_of_traces),
    output:
        "results/{study}/traces/{model}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/trace/{model}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/trace/{model}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("trace"),
        code=code_of("trace", pinned=True),
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            "engine": engine_of(wildcards.model),
            **decided_by_model(wildcards),
            "problems": problems_of(wildcards),
        },
    script:
        "../scripts/trace.py"


rule ablate:
    """Answer from stored traces whose reasoning is changed, cut or hidden; nothing is graded."""
    input:
        unpack(files_of_ablation),
        traces="results/{study}/traces/{model}/{source}/{shard}.parquet",
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/ablate/{model}/{sweep}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/ablate/{model}/{sweep}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("ablate"),
        code=code_of("ablate", pinned=True),
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            "engine": engine_of(wildcards.model),
            **decided_by_model(wildcards),
            **decided_by_sweep(wildcards),
            **answers_read(wildcards),
            "problems": problems_of(wildcards),
        },
    script:
        "../scripts/ablate.py"


rule import_rollouts:
    """Take finished rollouts from the published script's checkpoint file."""
    input:
        unpack(files_of_import),
    output:
        "results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/import_rollouts/{model}/{sweep}/{source}/{shard}.log",
    wildcard_constraints:
        model=names(IMPORTED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("import_rollouts"),
        code=code_of("import_rollouts", pinned=True),
        job=lambda wildcards: {
            "results": results_of(wildcards.model),
            "ablation": study.models[wildcards.model].ablation,
            "problems": problems_of(wildcards),
        },
    script:
        "../scripts/import_rollouts.py"


rule grade:
    """Compare every rollout of a shard with its reference answer."""
    input:
        rollouts="results/{study}/rollouts/{model}/{sweep}/{source}/{shard}.parquet",
        sources=source_files,
    output:
        "results/{study}/grades/{model}/{sweep}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/grade/{model}/{sweep}/{source}/{shard}.log",
    conda:
        "../../envs/cotsieve.yaml"
    # Comparing LaTeX takes processes of its own; the other graders need no time.
    threads: 2 if study.grading.grader in graders.SYMBOLIC else 1
    params:
        identity=identity_of("grade"),
        code=code_of("grade", pinned=True),
        grading={"grading": decided(study.grading)},
        libraries={"grader libraries": GRADER_LIBRARIES},
        job=lambda wildcards: {
            "answers": shard_of(wildcards).references,
        },
    script:
        "../scripts/grade.py"


rule merge:
    """Put all rollouts and grades of a model into one table."""
    input:
        problems="results/{study}/problems.parquet",
        rollouts=lambda wildcards: parts("rollouts", wildcards.model),
        grades=lambda wildcards: parts("grades", wildcards.model),
        model=fetched_model,
    output:
        "results/{study}/merged/{model}.parquet",
    log:
        "results/{study}/logs/merge/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("merge"),
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
