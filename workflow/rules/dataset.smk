"""From grades to the problems that need their chain of thought, and a dataset drawn from them."""


rule judge:
    """Decide which problems need their chain of thought: right with it and wrong without."""
    input:
        merged="results/{study}/merged/{model}.parquet",
        problems="results/{study}/problems.parquet",
    output:
        "results/{study}/necessity/{model}.parquet",
    log:
        "results/{study}/logs/judge/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("judge"),
        code=code_of("judge"),
        sieve=lambda wildcards: {"sieve": sieve_of(wildcards.model)},
    script:
        "../scripts/judge.py"


rule draw:
    """Draw the dataset to its targets per stratum, with its card; known problems are kept."""
    input:
        necessity="results/{study}/necessity/{model}.parquet",
        merged="results/{study}/merged/{model}.parquet",
        exclusions="results/{study}/exclusions.json",
        existing=[own_file(study.existing.path)] if study.existing else [],
    output:
        parquet="results/{study}/dataset/{model}/data/train-00000-of-00001.parquet",
        json="results/{study}/dataset/{model}/dataset.json",
        card="results/{study}/dataset/{model}/README.md",
        croissant="results/{study}/dataset/{model}/croissant.json",
        summary="results/{study}/summary/{model}.txt",
    log:
        "results/{study}/logs/draw/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("draw"),
        code=code_of("draw"),
        sieve=lambda wildcards: {"sieve": sieve_of(wildcards.model)},
        draw={"draw": decided(study.draw)},
        existing={"existing problems": EXISTING},
        about={"about": decided(study.publish.about)},
        origin=lambda wildcards: {"origin": made_of(wildcards.model)},
    script:
        "../scripts/draw.py"


rule export:
    """Export every model in the published script's checkpoint format (not made by default)."""
    input:
        expand(
            "results/{study}/export/{model}/gsm8k_expansion_checkpoint.json",
            study=STUDY,
            model=MODELS,
        ),


rule export_model:
    """Write a model's outcome as a file that the published script can resume or stratify."""
    input:
        "results/{study}/necessity/{model}.parquet",
    output:
        "results/{study}/export/{model}/gsm8k_expansion_checkpoint.json",
    log:
        "results/{study}/logs/export/{model}.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("export_model"),
        code=code_of("export"),
    script:
        "../scripts/export.py"
