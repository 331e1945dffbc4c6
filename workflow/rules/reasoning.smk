"""What only models that write their reasoning have: its effect, and traces to publish."""


def traces_of(model):
    """How the reasoning of a model is marked, and whether it came with the problem."""
    settings = study.models[model]
    return {
        "open": settings.style.open,
        "close": settings.style.close,
        "given": settings.traces == "given",
    }


rule reason:
    """Compare answers with reasoning and without it: accuracy, pairs, lengths, per group."""
    input:
        merged="results/{study}/merged/{model}.parquet",
        problems="results/{study}/problems.parquet",
    output:
        json="results/{study}/reasoning/{model}.json",
        csv="results/{study}/reasoning/{model}.csv",
    log:
        "results/{study}/logs/reason/{model}.log",
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage("reason"),
        code=code_of("reason"),
        sweeps=lambda wildcards: {"sweeps": sweeps_of(wildcards.model)},
        traces=lambda wildcards: {"traces": traces_of(wildcards.model)},
    script:
        "../scripts/reason.py"


rule publish_traces:
    """Write the verified traces of a model as a dataset, and the problems it never solved."""
    input:
        merged="results/{study}/merged/{model}.parquet",
        problems="results/{study}/problems.parquet",
    output:
        parquet="results/{study}/traces_dataset/{model}/data/train-00000-of-00001.parquet",
        messages="results/{study}/traces_dataset/{model}/am.jsonl",
        unsolved="results/{study}/traces_dataset/{model}/unsolved.csv",
        card="results/{study}/traces_dataset/{model}/README.md",
    log:
        "results/{study}/logs/publish_traces/{model}.log",
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        damaged=damage("publish_traces"),
        code=code_of("publish_traces"),
        rule={"choose": decided(study.publish.traces) if study.publish.traces else None},
        sieve=lambda wildcards: {"sieve": sieve_of(wildcards.model)},
        traces=lambda wildcards: {"traces": traces_of(wildcards.model)},
    script:
        "../scripts/publish_traces.py"
