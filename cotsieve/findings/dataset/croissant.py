"""Croissant metadata beside a dataset: what its files are, and what its columns hold.

JSON-LD of the MLCommons Croissant format 1.1 (https://docs.mlcommons.org/croissant). Creator, url
and datePublished, which the format asks for, are known to the publisher alone: they are in it when
the study names them, and nothing is made up in their place.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from cotsieve.findings.dataset.publisher import language, licence
from cotsieve.ground.files import write_text

CROISSANT = "croissant.json"
CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset",
    "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
    "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
"""Terms of the format's recommended JSON-LD context that are written without a prefix."""
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_DATA_TYPES = {pa.string(): "sc:Text", pa.bool_(): "sc:Boolean", pa.int32(): "cr:Int32"}
_MEDIA_TYPES = {
    ".parquet": "application/x-parquet",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
}


class Described(NamedTuple):
    """What a dataset is called and how it is described."""

    name: str
    description: str
    keywords: Iterable[str]
    records: str
    """What a row is, in the plural: names the set of records."""
    columns: Mapping[str, str]
    """Column → what it holds."""
    about: Mapping[str, str]
    """What its publisher says, as `publish.about` holds it."""


def write_croissant(
    folder: str | Path,
    parquet: str,
    schema: pa.Schema,
    others: Iterable[str],
    described: Described,
) -> None:
    """Write croissant.json beside the finished files of a dataset; equal files give equal bytes.

    `parquet`, with columns `schema`, holds the records; `others` are further files of the folder.
    """
    folder = Path(folder)
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": described.name,
        "description": described.description,
        **dict(_published(described.about)),
        "keywords": list(described.keywords),
        "inLanguage": language(described.about),
        "distribution": [_file(folder, path) for path in (parquet, *others)],
        "recordSet": [_records(parquet, schema, described)],
    }
    write_text(folder / CROISSANT, json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")


def _published(about: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "license", licence(about)
    if "creator" in about:
        yield "creator", {"@type": "sc:Person", "name": about["creator"]}
    for key, term in (("url", "url"), ("date", "datePublished"), ("citation", "citeAs")):
        if key in about:
            yield term, about[key]


def _file(folder: Path, path: str) -> dict[str, str]:
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": Path(path).name,
        "contentUrl": path,
        "contentSize": f"{(folder / path).stat().st_size} B",
        "encodingFormat": _MEDIA_TYPES[Path(path).suffix],
        "sha256": sha256,
    }


def _records(parquet: str, schema: pa.Schema, described: Described) -> dict[str, Any]:
    name = described.records
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": column.name,
            "description": described.columns[column.name],
            "dataType": _DATA_TYPES[column.type],
            "source": {"fileObject": {"@id": parquet}, "extract": {"column": column.name}},
        }
        for column in schema
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
