"""A finished dataset folder, looked through before it is given away."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import yaml

from cotsieve.findings.dataset import folder as dataset
from cotsieve.findings.dataset import trace_dataset
from cotsieve.findings.dataset.croissant import CROISSANT
from cotsieve.findings.dataset.traces import TRACES
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput, Finding


class Kind(NamedTuple):
    """What can be published of a model, and of which files it consists."""

    folder: str
    """Below the study's results; a folder per model lies in it."""
    parquet: str
    schema: pa.Schema
    card: str
    files: tuple[str, ...]
    """All of them, by their paths in the folder."""


DATASET = Kind(
    "dataset",
    dataset.PARQUET,
    dataset.DATASET,
    dataset.CARD,
    (dataset.PARQUET, dataset.JSON, dataset.CARD, CROISSANT),
)
TRACE_DATASET = Kind(
    "traces_dataset",
    trace_dataset.PARQUET,
    TRACES,
    trace_dataset.CARD,
    (
        trace_dataset.PARQUET,
        trace_dataset.MESSAGES,
        trace_dataset.UNSOLVED_LIST,
        trace_dataset.CARD,
        CROISSANT,
    ),
)


class LocalFile(NamedTuple):
    """A file to publish, and the digests a hub knows files by."""

    path: str
    """In the folder, and in the repository."""
    size: int
    sha256: str
    blob: str
    """What git names its content by."""


def checked_files(folder: Path, kind: Kind, study: str, model: str) -> list[LocalFile]:
    """The files of a dataset, found whole and belonging together.

    Raises BadInput with everything that is wrong: a file is absent, the table is damaged or has
    other columns or no rows, croissant.json tells of other content, the card is of another study or
    model.
    """
    absent = [path for path in kind.files if not (folder / path).is_file()]
    findings = [Finding(str(folder / path), "there is no such file", _AGAIN) for path in absent]
    if not absent:
        findings += _damage(folder, kind) or _other_content(folder)
        findings += _other_card(folder / kind.card, study, model)
    if findings:
        raise BadInput(findings)
    return [_file(folder, path) for path in kind.files]


_NOTHING = "See in the report what the model wrote, then mend the study or test more problems."
_AGAIN = "Run the study to make it: make run."


def _damage(folder: Path, kind: Kind) -> list[Finding]:
    path = folder / kind.parquet
    try:
        rows = tables.read(path, kind.schema).num_rows
    except BadInput as error:
        return list(error.findings)
    return [] if rows else [Finding(str(path), "it is empty: nothing passed", _NOTHING)]


def _other_content(folder: Path) -> Iterator[Finding]:
    """Files that are not those whose digests croissant.json holds."""
    note = folder / CROISSANT
    try:
        known = {
            file["contentUrl"]: file["sha256"]
            for file in json.loads(note.read_bytes())["distribution"]
        }
    except (ValueError, KeyError, TypeError):
        yield Finding(str(note), "it is not the metadata of a dataset", f"Delete it: rm '{note}'")
        return
    for path, sha256 in known.items():
        file = folder / path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            mend = f"Delete it and run the study again: rm '{file}'"
            yield Finding(str(file), f"it is not the file that {CROISSANT} tells of", mend)


def _other_card(card: Path, study: str, model: str) -> Iterator[Finding]:
    try:
        parts = card.read_text(encoding="utf-8").split("---\n", 2)
        title = yaml.safe_load(parts[1])["pretty_name"]
    except (ValueError, IndexError, KeyError, TypeError, yaml.YAMLError):
        mend = f"Delete it and run the study again: rm '{card}'"
        yield Finding(str(card), "its header cannot be read", mend)
        return
    if not str(title).startswith(f"{study}: ") or model not in str(title):
        what = f"the card names {title!r}, not model {model} of study {study}"
        yield Finding(str(card), what, "Publish the folder that the study itself has made.")


def _file(folder: Path, path: str) -> LocalFile:
    content = (folder / path).read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return LocalFile(path, len(content), hashlib.sha256(content).hexdigest(), blob)
