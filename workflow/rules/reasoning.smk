"""What only models that write their reasoning have: its effect, and traces to publish."""


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
        identity=identity_of("reason"),
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
        croissant="results/{study}/traces_dataset/{model}/croissant.json",
    log:
        "results/{study}/logs/publish_traces/{model}.log",
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("publish_traces"),
        code=code_of("publish_traces"),
        publish={"choose": trace_choice() if study.publish.traces else None},
        about={"about": decided(study.publish.about)},
        origin=lambda wildcards: {"origin": made_of(wildcards.model)},
        sieve=lambda wildcards: {"sieve": sieve_of(wildcards.model)},
        traces=lambda wildcards: {"traces": traces_of(wildcards.model)},
    script:
        "../scripts/publish_traces.py"


rule enough:
    """Tell whether the rounds of traces before one have given as many as are to be filled in."""
    input:
        rollouts=tested_before("rollouts"),
        grades=tested_before("grades"),
        sources=[source_file(name) for name in study.sources],
    output:
        "results/{study}/fill/{model}/{round}.json",
    log:
        "results/{study}/logs/enough/{model}/{round}.log",
    wildcard_constraints:
        model=names(REASONING),
        round=r"\d+",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("enough"),
        code=code_of("enough"),
        target={"fill": study.publish.fill},
        problems={"problems": PROBLEMS},
        traces=lambda wildcards: {
            "traces": traces_of(wildcards.model)
            | {"least_tokens": least_tokens(study)}
        },
    script:
        "../scripts/enough.py"


rule fill:
    """Give every problem of the sources a chain of thought: its own, or a verified trace."""
    input:
        traces="results/{study}/traces_dataset/{model}/data/train-00000-of-00001.parquet",
        sources=[source_file(name) for name in study.sources],
    output:
        rows="results/{study}/filled/{model}.jsonl",
        report="results/{study}/filled/{model}.json",
    log:
        "results/{study}/logs/fill/{model}.log",
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("fill"),
        code=code_of("fill"),
        target={"fill": study.publish.fill},
        problems={"problems": PROBLEMS},
        # The problems that need no trace are read as well.
        files={
            "files": [
                content_digest(located(source.path))
                for source in study.sources.values()
                if source.path
            ]
        },
    script:
        "../scripts/fill.py"


rule quality:
    """Judge the solutions of a source as chains of thought (not made by default)."""
    input:
        files=files_of_quality,
        model=ancient(FETCHED_MODELS.get(study.quality.model, [])),
    output:
        json="results/{study}/quality/{source}.json",
        page="results/{study}/quality/{source}.md",
    log:
        "results/{study}/logs/quality/{source}.log",
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("quality"),
        code=code_of("quality"),
        quality={"quality": decided(study.quality)},
        model={"model": IDENTITIES.get(study.quality.model)},
        files=lambda wildcards: {
            "files": [
                content_digest(file)
                for file in files_of_quality(wildcards)
                if Path(file).exists()
            ]
        },
    script:
        "../scripts/quality.py"


rule export_traces:
    """Write traces in the file form of "From Reasoning to Answer" (not made by default)."""
    input:
        expand(
            "results/{study}/export/{model}/reasoning_traces",
            study=STUDY,
            model=[
                model for model in REASONING if study.models[model].traces == "own"
            ],
        ),


rule export_traces_of_model:
    """Write what a model wrote on its own, and behind an empty or finished thought."""
    input:
        merged="results/{study}/merged/{model}.parquet",
        problems="results/{study}/problems.parquet",
    output:
        directory("results/{study}/export/{model}/reasoning_traces"),
    log:
        "results/{study}/logs/export_traces/{model}.log",
    wildcard_constraints:
        model=names(REASONING),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("export_traces_of_model"),
        code=code_of("export_traces"),
        form=lambda wildcards: {"form": trace_form(wildcards.model)},
    script:
        "../scripts/export_traces.py"
