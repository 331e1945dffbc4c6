"""Which sentences of a trace matter: rollouts around each of them, and measures of these."""


rule fetch_embeddings:
    """Fetch the model that embeds sentences, once, and note where its files lie."""
    output:
        "results/{study}/models/embeddings-{pin}.json",
    log:
        "results/{study}/logs/fetch_embeddings/{pin}.log",
    wildcard_constraints:
        pin="[0-9a-f]+",
    localrule: True
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("fetch_embeddings", by_hand=True),
    script:
        "../scripts/fetch_embeddings.py"


rule split:
    """Choose traces of problems that a model solves sometimes, and find their sentences."""
    input:
        traces=lambda wildcards: [
            f"results/{STUDY}/traces/{wildcards.model}/{shard}.parquet"
            for shard in SHARDS
        ],
        sources=[source_file(name) for name in study.sources],
        model=fetched_model,
    output:
        "results/{study}/anchors/{model}/sentences.parquet",
    log:
        "results/{study}/logs/split/{model}.log",
    wildcard_constraints:
        model=names(OWN_TRACES),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("split"),
        code=code_of("split"),
        problems={"problems": PROBLEMS},
        model=lambda wildcards: {"model": IDENTITIES[wildcards.model]},
        anchors=lambda wildcards: {
            "anchors": anchored.told(
                "choose",
                **plain(study.anchors.sentences),
                given=study.models[wildcards.model].traces == "given",
            )
        },
    script:
        "../scripts/split.py"


rule resample:
    """Write each sentence anew and go on, or force the answer before it. Nothing is graded."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        traces="results/{study}/traces/{model}/{source}/{shard}.parquet",
        sources=source_files,
        model=fetched_model,
    output:
        "results/{study}/anchors/{model}/{kind}/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/resample/{model}/{kind}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/resample/{model}/{kind}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(OWN_TRACES),
        kind=names(KINDS),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("resample"),
        code=code_of("resample", pinned=True),
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            "engine": RESAMPLING_ENGINE,
            **decided_by_model(wildcards),
            **anchored.decided_by(wildcards.kind),
            "problems": problems_of(wildcards),
        },
    script:
        "../scripts/resample.py"


rule score:
    """Score the reference answer, forced after every sentence. Nothing is written."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        traces="results/{study}/traces/{model}/{source}/{shard}.parquet",
        sources=source_files,
        model=fetched_model,
    output:
        "results/{study}/anchors/{model}/score/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/score/{model}/{source}/{shard}.log",
    benchmark:
        "results/{study}/benchmarks/score/{model}/{source}/{shard}.tsv"
    wildcard_constraints:
        model=names(OWN_TRACES),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("score"),
        code=code_of("score", pinned=True),
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            **decided_by_model(wildcards),
            "engine": SCORING_ENGINE,
            "problems": problems_of(wildcards),
            "answers": shard_of(wildcards).references,
        },
    script:
        "../scripts/score.py"


rule measure_scores:
    """Tell from scored answers which sentences are thought in truth, and how early it is known."""
    input:
        lambda wildcards: anchored.files("score", wildcards.model),
    output:
        "results/{study}/anchors/{model}-scores.parquet",
    log:
        "results/{study}/logs/measure_scores/{model}.log",
    wildcard_constraints:
        model=names(OWN_TRACES),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("measure_scores"),
        code=code_of("measure_scores"),
    script:
        "../scripts/measure_scores.py"


rule import_anchors:
    """Take published rollouts around sentences as finished ones; failed entries are kept apart."""
    input:
        published=lambda wildcards: own_file(FOLDERS[wildcards.model]),
    output:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        outcomes="results/{study}/anchors/{model}/outcomes/published.parquet",
        resample="results/{study}/anchors/{model}/resample/published.parquet",
        force="results/{study}/anchors/{model}/force/published.parquet",
        labels="results/{study}/anchors/{model}/labels.parquet",
        traces="results/{study}/anchors/{model}/traces.parquet",
    log:
        "results/{study}/logs/import_anchors/{model}.log",
    wildcard_constraints:
        model=names(FOLDERS),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("import_anchors"),
        code=code_of("import_anchors"),
        published=lambda wildcards: {
            "published": published_content(wildcards.model),
            "under": getattr(PUBLISHED.get(wildcards.model), "anchors_under", ""),
            "every": (
                study.anchors.sentences.every if wildcards.model in COMPLETED else None
            ),
        },
        grading={"grading": anchored.grading("thought-anchors")},
    script:
        "../scripts/import_anchors.py"


rule complete:
    """Add the rollouts that published ones lack around the sentences of their traces."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        traces="results/{study}/anchors/{model}/traces.parquet",
        finished="results/{study}/anchors/{model}/{kind}/published.parquet",
        model=fetched_model,
    output:
        "results/{study}/anchors/{model}/{kind}/completed.parquet",
    log:
        "results/{study}/logs/complete/{model}/{kind}.log",
    benchmark:
        "results/{study}/benchmarks/complete/{model}/{kind}.tsv"
    wildcard_constraints:
        model=names(COMPLETED),
        kind=names(KINDS),
    conda:
        "../../envs/cotsieve.yaml"
    resources:
        gpu=GPUS,
        mem_mb=memory_with_model,
        runtime=minutes_with_model,
    params:
        identity=identity_of("complete"),
        code=code_of("complete", pinned=True),
        libraries={"libraries": LIBRARIES},
        job=lambda wildcards: {
            "engine": RESAMPLING_ENGINE,
            **decided_by_model(wildcards),
            **anchored.decided_by(wildcards.kind),
        },
    script:
        "../scripts/complete.py"


rule grade_completed:
    """Tell what became of every rollout, published and added."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        rollouts=expand(
            "results/{{study}}/anchors/{{model}}/{kind}/completed.parquet", kind=KINDS
        ),
    output:
        "results/{study}/anchors/{model}/outcomes/completed.parquet",
    log:
        "results/{study}/logs/grade_completed/{model}.log",
    wildcard_constraints:
        model=names(COMPLETED),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("grade_completed"),
        code=code_of("grade_around"),
        kinds={"kinds": KINDS},
        grading={"grading": anchored.grading("thought-anchors")},
    script:
        "../scripts/grade_around.py"


rule grade_around:
    """Tell what became of every rollout around a sentence."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        rollouts=expand(
            "results/{{study}}/anchors/{{model}}/{kind}/{{source}}/{{shard}}.parquet",
            kind=KINDS,
        ),
    output:
        "results/{study}/anchors/{model}/outcomes/{source}/{shard}.parquet",
    log:
        "results/{study}/logs/grade_around/{model}/{source}/{shard}.log",
    wildcard_constraints:
        model=names(OWN_TRACES),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("grade_around"),
        code=code_of("grade_around"),
        kinds={"kinds": KINDS},
        grading={"grading": anchored.grading()},
    script:
        "../scripts/grade_around.py"


rule embed:
    """Compare every sentence with what was written in its place."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        outcomes=lambda wildcards: anchored.files("outcomes", wildcards.model),
        embeddings=FETCHED_EMBEDDINGS,
    output:
        "results/{study}/anchors/{model}/likeness.parquet",
    log:
        "results/{study}/logs/embed/{model}.log",
    wildcard_constraints:
        model=names(ANCHORED),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("embed"),
        code=code_of("embed"),
        embeddings={"embeddings": EMBEDDING},
    script:
        "../scripts/embed.py"


rule pair:
    """Tell what each sentence does for later ones."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        rollouts=lambda wildcards: anchored.files("resample", wildcards.model),
        embeddings=FETCHED_EMBEDDINGS,
    output:
        "results/{study}/anchors/{model}-pairs.parquet",
    log:
        "results/{study}/logs/pair/{model}.log",
    wildcard_constraints:
        model=names(ANCHORED),
    conda:
        "../../envs/cotsieve.yaml"
    threads: 2
    params:
        identity=identity_of("pair"),
        code=code_of("pair"),
        embeddings={"embeddings": EMBEDDING},
        anchors={"anchors": anchored.told("threshold", "pairs")},
    script:
        "../scripts/pair.py"


rule label:
    """Tell what every sentence does, and on which others it depends."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
    output:
        "results/{study}/anchors/{model}/labels.parquet",
    log:
        "results/{study}/logs/label/{model}.log",
    wildcard_constraints:
        model=names(OWN_TRACES),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("label"),
        code=code_of("label"),
    script:
        "../scripts/label.py"


rule measure:
    """Measure the importance of every sentence, as published and with its uncertainty."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        outcomes=lambda wildcards: anchored.files("outcomes", wildcards.model),
        likeness="results/{study}/anchors/{model}/likeness.parquet",
        pairs=lambda wildcards: anchored.pairs(wildcards.model),
        labels=lambda wildcards: anchored.labels(wildcards.model),
    output:
        "results/{study}/anchors/{model}.parquet",
    log:
        "results/{study}/logs/measure/{model}.log",
    wildcard_constraints:
        model=names(ANCHORED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("measure"),
        code=code_of("measure"),
        anchors={
            "anchors": anchored.told(
                "threshold", "alpha", "least_dissimilar", "draws", "seed"
            )
        },
    script:
        "../scripts/measure.py"


rule show_anchors:
    """Make a page on which traces are read, their sentences coloured by importance."""
    input:
        anchors="results/{study}/anchors/{model}.parquet",
        outcomes=lambda wildcards: anchored.files("outcomes", wildcards.model),
        likeness="results/{study}/anchors/{model}/likeness.parquet",
        pairs=lambda wildcards: anchored.pairs(wildcards.model),
        scores=lambda wildcards: anchored.scores(wildcards.model),
    output:
        report(
            "results/{study}/report/anchors/{model}.html",
            caption="../report/page.rst",
            category="Report",
            labels={"what": "sentences that matter, {model}"},
        ),
    log:
        "results/{study}/logs/show_anchors/{model}.log",
    wildcard_constraints:
        model=names(ANCHORED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("show_anchors"),
        code=code_of("show_anchors"),
    script:
        "../scripts/show_anchors.py"


rule export_rollouts:
    """Write rollouts around sentences in the published form (not made by default)."""
    input:
        expand(
            "results/{study}/export/{model}/math-rollouts.parquet",
            study=STUDY,
            model=ANCHORED,
        ),


rule export_rollouts_of_model:
    """Write a model's rollouts as folders of JSON files and as one table, as they are published."""
    input:
        sentences="results/{study}/anchors/{model}/sentences.parquet",
        anchors="results/{study}/anchors/{model}.parquet",
        outcomes=lambda wildcards: anchored.files("outcomes", wildcards.model),
        rollouts=lambda wildcards: [
            path
            for kind in (
                ["resample", "force"] if wildcards.model in PUBLISHED else KINDS
            )
            for path in anchored.files(kind, wildcards.model)
        ],
        traces=lambda wildcards: (
            f"results/{STUDY}/anchors/{wildcards.model}/traces.parquet"
            if wildcards.model in FOLDERS
            else []
        ),
        problems="results/{study}/problems.parquet",
        own=lambda wildcards: (
            []
            if wildcards.model in FOLDERS
            else [
                f"results/{STUDY}/traces/{wildcards.model}/{shard}.parquet"
                for shard in SHARDS
            ]
        ),
    output:
        table="results/{study}/export/{model}/math-rollouts.parquet",
        tree=directory("results/{study}/export/{model}/math_rollouts"),
    log:
        "results/{study}/logs/export_rollouts/{model}.log",
    wildcard_constraints:
        model=names(ANCHORED),
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("export_rollouts_of_model"),
        code=code_of("export_rollouts"),
        style=lambda wildcards: {
            "style": (
                None
                if wildcards.model in PUBLISHED
                else plain(study.models[wildcards.model].style)
            ),
            "prefix": study.anchors.prefix,
        },
    script:
        "../scripts/export_rollouts.py"
