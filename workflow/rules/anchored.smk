"""What the rules of sentences share: whose traces, which files, and what decides them."""

anchored = Anchored(study, list(SHARDS))
OWN_TRACES, COMPLETED = anchored.traced, anchored.completed
ANCHORED, FOLDERS, KINDS = anchored.models, anchored.folders, anchored.kinds
# The engines that go on from sentences; traces and ablations do not depend on them.
RESAMPLING_ENGINE = engine_code("rollouts/around/resampling.py")
SCORING_ENGINE = engine_code("rollouts/around/answer_scores.py")
EMBEDDING = embedding_identity(study.anchors) if study.anchors else None
FETCHED_EMBEDDINGS = (
    [f"results/{STUDY}/models/embeddings-{digest(EMBEDDING)[:8]}.json"]
    if "repository" in (EMBEDDING or {})
    else []
)


@functools.cache
def published_content(model):
    """What the folder of a model's published rollouts holds."""
    root = located(FOLDERS[model])
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return digest(
        [[str(file.relative_to(root)), content_digest(file)] for file in files]
    )
