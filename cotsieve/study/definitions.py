"""How sources and exclusion lists are read, as plain values that leave out where they lie."""

from cotsieve.study.part import plain
from cotsieve.study.settings import Exclusion, Source


def exclusion_definition(item: Exclusion) -> dict[str, object]:
    """How an exclusion list is read, without where it lies."""
    definition = plain(item)
    columns = {key: column for key, column in definition["columns"].items() if column}
    field = columns.get("id") if item.by == "id" else columns.get("question")
    return {
        "format": item.format,
        "by": item.by,
        "field": field,
        "columns": columns,
        "variant": item.variant,
    }


def source_definition(source: Source) -> dict[str, object]:
    """How a source is read, without where it lies."""
    definition = plain(source)
    columns = {key: column for key, column in definition["columns"].items() if column}
    return {
        "format": source.format,
        "columns": columns,
        "id": columns.get("id"),
        "variant": source.variant,
        "bad_rows": source.bad_rows,
        **({"chain_below": source.chain_below} if source.chain_below else {}),
    }
