"""Tables of rollouts in memory and on disk: how their rows are named, put in order and written."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground import tables
from cotsieve.rollouts.schema import ROLLOUTS

Key = tuple[str, str, int]
"""Problem id, condition, sample: the name of a row in its table."""

NAME = ("problem_id", "condition", "sample")

GROUP_ROWS = 512
"""Rows that are read together; fixed, so that a table's bytes tell nothing of how it was made."""


def writing_rollouts(
    path: str | Path, origin: Mapping[str, object] | None = None
) -> AbstractContextManager[Callable[[pa.Table], None]]:
    """Yield a function that adds the next rows to a table."""
    return tables.writing(path, ROLLOUTS, origin, GROUP_ROWS)


def digest_of_tokens(ids: Sequence[int]) -> str:
    """16 hex digits of SHA-256 over token ids, each as four bytes, the lowest first."""
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:16]


def failures(rollouts: pa.Table) -> int:
    """How many of the rows failed."""
    return pc.sum(pc.equal(rollouts["finish_reason"], "failed")).as_py() or 0


def keys(rollouts: pa.Table) -> Iterator[Key]:
    """The names of the rows, in their order."""
    return zip(*(rollouts[name].to_pylist() for name in NAME), strict=True)


def in_order(rollouts: pa.Table, wanted: Iterable[Key]) -> pa.Table:
    """The rows of these names, in this order; each must be there."""
    places = {key: place for place, key in enumerate(keys(rollouts))}
    return _taken(rollouts, [places[key] for key in wanted])


def renamed(found: pa.Table, row_keys: Mapping[Key, str]) -> pa.Table:
    """The rows that names ask for by their row key, under these names; they may have had others."""
    places = {key: place for place, key in enumerate(found["row_key"].to_pylist())}
    here = [name for name, row_key in row_keys.items() if row_key in places]
    rows = _taken(found, [places[row_keys[name]] for name in here])
    for number, column in enumerate(NAME):
        field = ROLLOUTS.field(column)
        values = pa.array([name[number] for name in here], field.type)
        rows = rows.set_column(ROLLOUTS.get_field_index(column), field, values)
    return rows


def _large(kind: pa.DataType) -> pa.DataType:
    """The same type with offsets of 64 bits."""
    if pa.types.is_list(kind):
        return pa.large_list(kind.value_field)
    return pa.large_string() if pa.types.is_string(kind) else kind


_LARGE = pa.schema([field.with_type(_large(field.type)) for field in ROLLOUTS])


def _taken(rollouts: pa.Table, places: list[int]) -> pa.Table:
    """Rows by their places, some at a time: all texts of a column may pass 2 GiB together."""
    large = rollouts.cast(_LARGE).combine_chunks()
    indices = pa.array(places, pa.int64())
    parts = [
        large.take(indices.slice(start, GROUP_ROWS)).cast(ROLLOUTS)
        for start in range(0, len(places), GROUP_ROWS)
    ]
    return pa.concat_tables([ROLLOUTS.empty_table(), *parts])
