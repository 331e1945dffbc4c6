"""Parquet tables: schema enforced, provenance stamped, damage detected, written whole."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.files import appearing

PROVENANCE = b"cotsieve.provenance"
CONTENT = b"cotsieve.sha256"

Where = Callable[[pa.Table], pa.Array | pa.ChunkedArray]
"""Some rows → for each whether it is wanted."""


def load_converters() -> None:
    """Have all loaded that writing rows needs.

    With the first Python value it converts, pyarrow imports pandas under a lock. A signal that came
    meanwhile, and whose handler writes rows, would wait for that lock for ever.
    """
    pa.array([], pa.int64())


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
    with writing(path, schema, provenance) as add:
        add(table)


@contextlib.contextmanager
def writing(
    path: str | Path,
    schema: pa.Schema,
    provenance: Mapping[str, object] | None = None,
    group_rows: int | None = None,
) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that adds the next rows to a table too large for memory.

    They are a row group as they come, or row groups have `group_rows` rows, but the last. The bytes
    depend on the rows, on how they are cut into groups, and on the provenance only.
    """
    stamp = json.dumps(provenance or {}, sort_keys=True, ensure_ascii=False).encode()
    sha256 = hashlib.sha256(stamp)
    with (
        appearing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            write_page_checksum=True,
            use_compliant_nested_type=False,  # a list keeps the name of its items, so its digest
        ) as writer,
    ):
        waiting = schema.empty_table()

        def write_group(rows: pa.Table) -> None:
            group = rows.combine_chunks()
            if group.num_rows:
                _sum(sha256, group)
                writer.write_table(group, row_group_size=group.num_rows)

        def add(table: pa.Table) -> None:
            nonlocal waiting
            waiting = pa.concat_tables([waiting, table.select(schema.names).cast(schema)])
            size = group_rows or max(waiting.num_rows, 1)
            whole = waiting.num_rows // size * size
            for start in range(0, whole, size):
                write_group(waiting.slice(start, size))
            if whole:  # copied, since a slice would hold all of the table in memory
                rest = waiting.slice(whole)
                waiting = rest.take(np.arange(rest.num_rows))

        yield add
        write_group(waiting)
        content = sha256.hexdigest().encode()
        writer.add_key_value_metadata({PROVENANCE: stamp, CONTENT: content})


def read(
    path: str | Path,
    schema: pa.Schema | None = None,
    columns: Sequence[str] | None = None,
    where: Where | None = None,
) -> pa.Table:
    """Read a table that `write` or `writing` made, or of a large one some columns, or some rows.

    Its whole content is checked either way, a row group at a time. Raises BadInput when the file is
    damaged, or its columns are not those of `schema`.
    """
    with _damage_told(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        empty = file.schema_arrow.empty_table().replace_schema_metadata(None)
        if schema is not None and empty.schema != schema:
            raise bad(path, "its columns are not those this version writes", _mend(path))
        chosen = list(empty.schema.names if columns is None else columns)
        return pa.concat_tables([empty.select(chosen), *_checked(path, file, chosen, where)])


def parts(
    path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The row groups of a table that `writing` made, one in memory at a time; see `read`.

    That its content is damaged may be told only after the last one.
    """
    with _damage_told(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        if file.schema_arrow.remove_metadata() != schema:
            raise bad(path, "its columns are not those this version writes", _mend(path))
        yield from _checked(path, file, list(schema.names if columns is None else columns))


def check(path: str | Path) -> None:
    """Raise BadInput when a table is damaged; one row group of it is in memory at a time."""
    with _damage_told(path):
        for _ in _checked(path, pq.ParquetFile(path, page_checksum_verification=True), []):
            pass


def _checked(
    path: str | Path,
    file: pq.ParquetFile,
    columns: list[str],
    where: Where | None = None,
) -> Iterator[pa.Table]:
    """Yield these columns of every row group, and the rows that `where` is true of.

    At the end BadInput unless all columns are sound.
    """
    metadata = file.metadata.metadata or {}
    sha256 = hashlib.sha256(metadata.get(PROVENANCE, b""))
    for index in range(file.num_row_groups):
        group = file.read_row_group(index)
        _sum(sha256, group)
        group = group if where is None else group.filter(where(group))
        yield group.select(columns).replace_schema_metadata(None)
    if metadata.get(CONTENT) != sha256.hexdigest().encode():
        raise bad(path, "its content does not match its checksum", _mend(path))


def provenance(path: str | Path) -> dict[str, object]:
    """What `write` was told about the origin of a table, read without its rows."""
    with _damage_told(path):
        return json.loads((pq.read_metadata(path).metadata or {}).get(PROVENANCE, b"{}"))


@contextlib.contextmanager
def _damage_told(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise bad(path, "there is no such file", "Run the workflow to make it.") from None
    except (BadInput, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        first_line = (str(error).splitlines() or ["no detail"])[0]
        raise bad(path, f"cannot be read as Parquet ({first_line})", _mend(path)) from None


def _sum(sha256: "hashlib._Hash", group: pa.Table) -> None:
    """Add a group of rows: their values alone, since memory keeps anything in place of a null."""
    for name, column in zip(group.column_names, group.columns, strict=True):
        sha256.update(f"{name} {column.type} {len(column)};".encode())
        _sum_array(sha256, pa.concat_arrays(column.chunks) if column.num_chunks else None)


def _sum_array(sha256: "hashlib._Hash", array: pa.Array | None) -> None:
    if array is None:
        return
    sha256.update(array.is_valid().to_numpy(zero_copy_only=False).tobytes())
    kept = array.drop_null()
    if pa.types.is_list(array.type):
        sha256.update(kept.value_lengths().to_numpy(zero_copy_only=False).tobytes())
        _sum_array(sha256, kept.flatten())
    elif pa.types.is_string(array.type):
        ends = np.frombuffer(kept.buffers()[1] or b"\0" * 4, np.int32)[kept.offset :][
            : len(kept) + 1
        ]
        sha256.update((ends - ends[0]).tobytes())
        sha256.update(memoryview(kept.buffers()[2] or b"")[ends[0] : ends[-1]])
    elif pa.types.is_primitive(array.type):
        sha256.update(kept.to_numpy(zero_copy_only=False).tobytes())
    else:
        raise TypeError(f"no checksum is defined for columns of type {array.type}")


def _mend(path: str | Path) -> str:
    return f"Delete it and run again: rm '{path}'"
