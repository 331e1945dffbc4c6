"""Model files that are not those an earlier result was made with: replaced, or damaged."""

from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput
from cotsieve.ground.tables import provenance
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.models import Model, ReasoningModel


def replaced_files(results: Path, name: str, model: Model | ReasoningModel) -> list[str]:
    """One line per file that changed under its name since the model's rollouts were made.

    Only their owner can tell a new version from a flipped bit, so both are named, with the mend.
    """
    before = _origin(results, name)
    now = model_identity(model)
    return [
        f"{name}: {file} is not the file its results were made with, so they are made again; "
        "if you did not replace it, it is damaged: fetch it again"
        for part, files in now.items()
        if isinstance(files, dict) and isinstance(before.get(part), dict)
        for file, content in files.items()
        if before[part].get(file, content) != content and Path(file).suffix
    ]


def _origin(results: Path, name: str) -> dict[str, object]:
    """What the first sound table of the model says it was made with."""
    for table in _tables(results, name):
        try:
            origin = provenance(table).get("model")
        except BadInput:  # damaged: named, and made again, by its own check
            continue
        if isinstance(origin, dict):
            return origin
    return {}


def _tables(results: Path, name: str) -> Iterator[Path]:
    for kind in ("rollouts", "traces"):
        yield from sorted((results / kind / name).rglob("*.parquet"))
