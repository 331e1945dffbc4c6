"""Parquet tables: schema enforced, provenance stamped, damage detected, written whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import bad
from cotsieve.ground.files import appearing

PROVENANCE = b"cotsieve.provenance"
CONTENT = b"cotsieve.sha256"


def write(
    table: pa.Table | Sequence[Mapping[str, object]],
    path: str | Path,
    schema: pa.Schema,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write rows or a table under `schema`, with its provenance and a checksum of its content.

    The bytes depend on the rows, the schema and the provenance only.
    """
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pylist(list(table), schema=schema)
    table = table.select(schema.names).cast(schema).combine_chunks()
    stamp = json.dumps(provenance or {}, sort_keys=True, ensure_ascii=False).encode()
    table = table.replace_schema_metadata({PROVENANCE: stamp, CONTENT: _content(table, stamp)})
    with appearing(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            write_page_checksum=True,
            use_compliant_nested_type=False,  # a list keeps the name of its items, so its digest
        )


def read(path: str | Path, schema: pa.Schema | None = None) -> pa.Table:
    """Read a table that `write` made.

    Raises BadInput when the file is damaged, or its columns are not those of `schema`.
    """
    table = _open(path)
    metadata = table.schema.metadata or {}
    if CONTENT in metadata and metadata[CONTENT] != _content(table, metadata.get(PROVENANCE, b"")):
        raise bad(path, "its content does not match its checksum", _mend(path))
    if schema is not None and table.schema.remove_metadata() != schema:
        raise bad(path, "its columns are not those this version writes", _mend(path))
    return table


def provenance(path: str | Path) -> dict[str, object]:
    """What `write` was told about the origin of a table, read without its rows."""
    try:
        return json.loads((pq.read_schema(path).metadata or {}).get(PROVENANCE, b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise bad(path, f"cannot be read as Parquet ({_first_line(error)})", _mend(path)) from None


def _open(path: str | Path) -> pa.Table:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True).read()
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Run the workflow to make it.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise bad(path, f"cannot be read as Parquet ({_first_line(error)})", _mend(path)) from None


def _content(table: pa.Table, stamp: bytes) -> bytes:
    sha256 = hashlib.sha256(stamp)
    sink = pa.BufferOutputStream()
    bare = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, bare.schema) as stream:
        stream.write_table(bare)
    sha256.update(sink.getvalue())
    return sha256.hexdigest().encode()


def _mend(path: str | Path) -> str:
    return f"Delete it and run again: rm '{path}'"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no detail"])[0]
