"""Which files a job reads."""


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


def fetched_model(wildcards):
    """Where the parts of a model lie that come from a hub; none for a local model."""
    return ancient(FETCHED_MODELS.get(wildcards.model, []))


def donor_traces(wildcards):
    """The traces of the problems that give means and donors, where they are needed."""
    if not REFERENCES[wildcards.sweep]:
        return []
    return [
        f"results/{STUDY}/traces/{wildcards.model}/{shard}.parquet"
        for shard in reference_shards(plan, wildcards.sweep)
    ]


def reference_files(wildcards):
    """The file of the problems whose activations give means and donors, where they are needed."""
    if not REFERENCES[wildcards.sweep]:
        return []
    return [source_file(reference_source(plan, wildcards.sweep))]


def rounds_before(wildcards):
    """Where it stands whether a shard still needs traces, if what was traced before decides that."""
    number = ROUNDS.get(f"{wildcards.source}/{wildcards.shard}")
    if number is None or study.models[wildcards.model].traces == "given":
        return []
    return f"results/{STUDY}/fill/{wildcards.model}/{number}.json"


def needed(**files):
    """Inputs by name, without those that are not needed."""
    return {name: paths for name, paths in files.items() if paths}


def files_of_generation(wildcards):
    """What a job of a latent model reads."""
    return needed(
        sources=source_files(wildcards),
        reference=reference_files(wildcards),
        model=fetched_model(wildcards),
    )


def files_of_traces(wildcards):
    """What a job reads that writes traces."""
    return needed(
        enough=rounds_before(wildcards),
        sources=source_files(wildcards),
        model=fetched_model(wildcards),
    )


def files_of_ablation(wildcards):
    """What a job reads beside the traces it ablates."""
    donors = needed(donors=donor_traces(wildcards))
    return donors | files_of_generation(wildcards)


def files_of_import(wildcards):
    """What a job reads that takes finished rollouts."""
    results = own_file(study.models[wildcards.model].results)
    return needed(sources=source_files(wildcards), results=results)


def parts(kind, model):
    """The shard files of a model, of every sweep it takes part in, in order."""
    return [
        f"results/{STUDY}/{kind}/{model}/{sweep}/{shard}.parquet"
        for sweep in sweeps_of(model)
        for shard in SHARDS
    ]


def tested_before(kind):
    """The rollouts or grades of the rounds before one, in the sweep that decides."""

    def files(wildcards):
        sweep = study.sieve_of(wildcards.model).sweep
        return [
            f"results/{STUDY}/{kind}/{wildcards.model}/{sweep}/{shard.name}.parquet"
            for shard in before_round(plan, int(wildcards.round), ROUNDS)
        ]

    return files


def files_of_quality(wildcards):
    """The source, and the files it is compared with."""
    others = [located(item.path) for item in study.quality.against]
    return [
        ancient(str(file)) for file in [plan.source_file(wildcards.source), *others]
    ]


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
