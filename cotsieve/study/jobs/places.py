"""Where the files of models lie that a job opens, or where they come from."""

import json
from pathlib import Path

from cotsieve.ground.model_folder import is_peft
from cotsieve.ground.seeds import digest
from cotsieve.study.settings.anchors import WORDS, Anchors
from cotsieve.study.settings.models import Model, ReasoningModel
from cotsieve.study.settings.places import located


def model_places(model: Model | ReasoningModel) -> dict[str, tuple[str, str | None, str]]:
    """Part → folder or repository, revision, and what is needed of it."""
    if isinstance(model, ReasoningModel):
        return {"model": (model.model, model.revision, "model")}
    adapters = is_local(model.checkpoint) and is_peft(located(model.checkpoint))
    return {
        "checkpoint": (model.checkpoint, model.revision, "checkpoint"),
        "base": (model.base, model.base_revision, "model" if adapters else "base"),
    }


def hub_places(model: Model | ReasoningModel) -> dict[str, tuple[str, str | None, str]]:
    """What of `model_places` comes from a hub."""
    return {part: place for part, place in model_places(model).items() if not is_local(place[0])}


def hub_pin(model: Model | ReasoningModel) -> str:
    """Eight hex digits for what is fetched of a model."""
    return digest(hub_places(model))[:8]


def model_files(model: Model | ReasoningModel, fetched: str | Path | None) -> dict[str, str]:
    """Part → where it lies; the file `fetched` says where those from a hub were fetched to."""
    noted = json.loads(Path(fetched).read_text(encoding="utf-8")) if fetched else {}
    return {part: str(located(spec)) for part, (spec, _, _) in model_places(model).items()} | noted


def embedding_folder(anchors: Anchors, fetched: str | Path | None) -> Path | None:
    """Where it lies, if there is one; `fetched` says where one of a hub was fetched to."""
    if anchors.embeddings == WORDS:
        return None
    if fetched:
        return Path(json.loads(Path(fetched).read_text(encoding="utf-8"))["embeddings"])
    return located(anchors.embeddings)


def is_local(spec: str) -> bool:
    """Whether a model is named by path; anything else is a repository on a hub."""
    return located(spec).exists()
