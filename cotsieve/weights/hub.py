"""Find model files on this machine, or fetch them from the Hugging Face hub."""

from pathlib import Path

from cotsieve.ground.faults import bad
from cotsieve.ground.hub import explaining
from cotsieve.ground.model_folder import BASE_FILES

CHECKPOINT_FILES = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
)
"""Layouts in order of preference; only the first that a repository has is fetched."""

EMBEDDING_FILES = ("vocab.txt", "sentence_bert_config.json", "1_Pooling/config.json")


def resolve(spec: str, revision: str | None, kind: str) -> Path:
    """The local folder or file of a model named by path or by hub repository id.

    An existing path is used as it is; anything else is fetched (`revision`: branch, tag or commit;
    None is the main branch) into the hub's cache, from where it is served when the hub is out of
    reach. `kind` is "base" (architecture and tokenizer), "checkpoint" (weights), "model" (all of
    them) or "embeddings" (and how texts become vectors). Raises BadInput when there is neither.
    """
    local = Path(spec).expanduser()
    if local.exists():
        return local
    if spec.startswith((".", "/", "~")) or spec.count("/") > 1 or not spec.strip():
        raise bad(spec, "there is no such folder", "Correct the path, or give a hub id owner/name.")
    if kind == "base":
        return _snapshot(spec, revision, list(BASE_FILES), "config.json")
    if kind == "checkpoint":
        return _checkpoint(spec, revision)
    if kind in ("model", "embeddings"):
        weights = _checkpoint(spec, revision)
        others = EMBEDDING_FILES if kind == "embeddings" else ()
        return _snapshot(spec, weights.name, [*BASE_FILES, *others], "config.json")
    raise ValueError(f"kind is {kind!r}, not 'base', 'checkpoint', 'model' or 'embeddings'")


def _checkpoint(spec: str, revision: str | None) -> Path:
    for patterns in CHECKPOINT_FILES:
        folder = _fetch(spec, revision, list(patterns))
        if (folder / patterns[0]).is_file():
            return folder
        revision = folder.name  # the commit: later layouts come from the same one
    heads = ", ".join(patterns[0] for patterns in CHECKPOINT_FILES)
    mend = "Name a repository with weights; of adapters alone, download it and give the folder."
    raise bad(spec, f"this hub repository has none of {heads}", mend)


def _snapshot(spec: str, revision: str | None, patterns: list[str], needed: str) -> Path:
    folder = _fetch(spec, revision, patterns)
    if not (folder / needed).is_file():
        raise bad(spec, f"this hub repository has no {needed}", "Name a model repository.")
    return folder


def _fetch(spec: str, revision: str | None, patterns: list[str]) -> Path:
    """The snapshot folder with the files that match; falls back to the cache when offline."""
    from huggingface_hub import snapshot_download

    where = spec if revision is None else f"{spec} at revision {revision}"
    otherwise = "or give the path of a local folder."
    # Out of reach, the library itself looks into its cache before it gives up.
    with explaining(where, otherwise, absent="there is no such local folder"):
        return Path(snapshot_download(spec, revision=revision, allow_patterns=patterns))
