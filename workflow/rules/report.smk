"""The report: one page to look at, the figures behind it, and where graders differ."""

# What the report says of a model beyond its tables.
ABOUT = {
    model: {
        **sieve_of(model),
        "family": definition.family,
        "thoughts": getattr(definition, "thoughts", None),
        "conditions": {
            sweep: conditions_of(model, sweep) for sweep in sweeps_of(model)
        },
        "targets": study.draw.targets,
        "total": study.draw.total,
        **(
            {
                "close": definition.style.close,
                "given": definition.traces == "given",
            }
            if model in REASONING
            else {}
        ),
    }
    for model, definition in study.models.items()
}


rule report:
    """Show a study: one self-contained page, with every figure as PNG, SVG and CSV."""
    input:
        problems="results/{study}/problems.parquet",
        exclusions="results/{study}/exclusions.json",
        merged=expand("results/{{study}}/merged/{model}.parquet", model=MODELS),
        necessity=expand("results/{{study}}/necessity/{model}.parquet", model=MODELS),
        drawn=expand(
            "results/{{study}}/dataset/{model}/data/train-00000-of-00001.parquet",
            model=MODELS,
        ),
        graders=expand("results/{{study}}/graders/{model}.parquet", model=COMPUTED),
    output:
        page=report(
            "results/{study}/report/index.html",
            caption="../report/page.rst",
            category="Report",
            labels={"what": "the whole report"},
        ),
        figures=report(
            directory("results/{study}/report/figures"),
            patterns=["{model}/{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{model}",
            labels={"figure": "{figure}"},
        ),
        times=report(
            "results/{study}/report/throughput.html",
            caption="../report/throughput.rst",
            category="Report",
            labels={"what": "measured times"},
        ),
    log:
        "results/{study}/logs/report.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("report"),
        code=code_of("report"),
        models={"models": ABOUT},
        anchors={"anchors": list(ANCHORED)},
        settings={
            "settings": {
                "grading": decided(study.grading),
                "draw": decided(study.draw),
            }
        },
        origin={"origin": study_origin(plan)},
    script:
        "../scripts/report.py"


rule compare_graders:
    """Read the answers of baseline and deciding ablation with every grader that fits them."""
    input:
        merged="results/{study}/merged/{model}.parquet",
    output:
        "results/{study}/graders/{model}.parquet",
    log:
        "results/{study}/logs/compare_graders/{model}.log",
    wildcard_constraints:
        model=names(COMPUTED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("compare_graders"),
        code=code_of("compare_graders"),
        libraries={"grader libraries": EVERY_GRADER_LIBRARY},
        graders=lambda wildcards: {
            "graders": {
                **sieve_of(wildcards.model),
                "family": study.models[wildcards.model].family,
                "tolerance": study.grading.tolerance,
            }
        },
    script:
        "../scripts/compare_graders.py"
