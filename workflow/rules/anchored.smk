"""What the rules of sentences share: whose traces, which files, and what decides them."""

OWN_TRACES = study.anchors.computed if study.anchors else []
ANCHORED = [*OWN_TRACES, *PUBLISHED]
# Models that go on with published traces instead of their own.
COMPLETED = [name for name in OWN_TRACES if study.models[name].anchors_from]
OWN_TRACES = [name for name in OWN_TRACES if name not in COMPLETED]
FOLDERS = {name: model.anchors_from for name, model in PUBLISHED.items()} | {
    name: study.models[name].anchors_from for name in COMPLETED
}
KINDS = (
    ["resample", "force"] if study.anchors and study.anchors.forced else ["resample"]
)
# The engine that writes on from sentences; traces and ablations do not depend on it.
RESAMPLING_ENGINE = engine_code("rollouts/around/resampling.py")
SCORING_ENGINE = engine_code("rollouts/around/answer_scores.py")
EMBEDDING = embedding_identity(study.anchors) if study.anchors else None
FETCHED_EMBEDDINGS = (
    [f"results/{STUDY}/models/embeddings-{digest(EMBEDDING)[:8]}.json"]
    if "repository" in (EMBEDDING or {})
    else []
)


def told_of_anchors(*names, **others):
    """A param: some of the settings of the anchors, with their defaults."""
    settings = plain(study.anchors) if study.anchors else {}
    return {"anchors": {name: settings.get(name) for name in names} | others}


def around(kind, model):
    """The files of a kind for all shards of a model, in order."""
    folder = f"results/{STUDY}/anchors/{model}/{kind}"
    if model in PUBLISHED:
        return [f"{folder}/published.parquet"]
    if model in COMPLETED:
        return [f"{folder}/completed.parquet"]
    return [f"{folder}/{shard}.parquet" for shard in SHARDS]


def anchor_tables(model):
    """What is made of the sentences of a model's traces."""
    table = f"results/{STUDY}/anchors/{model}.parquet"
    return [table, *pairs_table(model), *scores_table(model)]


def pairs_table(model):
    """The table of what sentences do for each other, where it is asked for."""
    found = f"results/{STUDY}/anchors/{model}-pairs.parquet"
    return [found] if study.anchors.pairs != 0 else []


def labels_table(model):
    """The table of what sentences do: published, or by the built-in labeller."""
    if model in FOLDERS or study.anchors.labels == "built-in":
        return f"results/{STUDY}/anchors/{model}/labels.parquet"
    return []


def scores_table(model):
    """The table of scored answers; those of published traces are not scored."""
    found = f"results/{STUDY}/anchors/{model}-scores.parquet"
    return [found] if study.anchors.score and model in OWN_TRACES else []


def decided_by_kind(wildcards):
    """What decides the rollouts of a kind beside the model."""
    counts = {"resample": study.anchors.rollouts, "force": study.anchors.forced}
    return {
        "kind": wildcards.kind,
        "prefix": study.anchors.prefix,
        "rollouts": counts[wildcards.kind],
    }


def anchor_grading(usual=None):
    """How answers around sentences are graded; `usual` where the study's grader may not fit."""
    grading = plain(study.grading) | ({"grader": usual} if usual else {})
    own = study.anchors.grader if study.anchors else None
    return grading | ({"grader": own} if own else {})


@functools.cache
def published_content(model):
    """What the folder of a model's published rollouts holds."""
    root = located(FOLDERS[model])
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return digest(
        [[str(file.relative_to(root)), content_digest(file)] for file in files]
    )
