import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("count", pa.int32()),
        ("ids", pa.list_(pa.int32())),
        ("share", pa.float32()),
    ]
)
ROWS = [
    {"name": f"row {i} é", "count": i, "ids": list(range(i % 7)), "share": i / 3}
    for i in range(300)
] + [{"name": None, "count": None, "ids": None, "share": None}]


WRITING = """
import sys
import pyarrow as pa
from cotsieve.ground import tables
tables.load_converters()
before = set(sys.modules)
tables.write([{"name": "é", "ids": [1]}], sys.argv[1], pa.schema(
    [("name", pa.string()), ("ids", pa.list_(pa.int32()))]))
print(sorted(set(sys.modules) - before))
"""


def test_writing_rows_imports_nothing_more(tmp_path):
    """A signal handler does it, maybe in the middle of an import."""
    command = [sys.executable, "-c", WRITING, str(tmp_path / "rows.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rows_come_back_with_types_nulls_and_origin(tmp_path):
    path = tmp_path / "new" / "folder" / "table.parquet"
    tables.write(ROWS, path, SCHEMA, {"b": [1, "é"], "a": None})
    found = tables.read(path, SCHEMA)
    assert found.to_pylist() == pa.Table.from_pylist(ROWS, schema=SCHEMA).to_pylist()
    assert found.schema.remove_metadata() == SCHEMA
    assert tables.provenance(path) == {"b": [1, "é"], "a": None}


def test_no_rows_come_back_as_no_rows(tmp_path):
    tables.write([], tmp_path / "table.parquet", SCHEMA)
    assert tables.read(tmp_path / "table.parquet", SCHEMA).num_rows == 0


@pytest.mark.parametrize("cut", [[301], [1, 99, 201], [7] * 43])
def test_groups_of_a_size_do_not_tell_how_rows_came(tmp_path, cut):
    rows, start = pa.Table.from_pylist(ROWS, schema=SCHEMA), 0
    with tables.writing(tmp_path / "cut.parquet", SCHEMA, None, group_rows=50) as add:
        for count in cut:
            add(rows.slice(start, count))
            start += count
    with tables.writing(tmp_path / "whole.parquet", SCHEMA, None, group_rows=50) as add:
        add(rows)
    content = (tmp_path / "whole.parquet").read_bytes()
    assert (tmp_path / "cut.parquet").read_bytes() == content
    file = pq.ParquetFile(tmp_path / "cut.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(7)] == [50] * 6 + [1]
    some = tables.read(
        tmp_path / "cut.parquet", SCHEMA, ["count"], lambda rows: pc.greater(rows["count"], 100)
    )
    assert some["count"].to_pylist() == list(range(101, 300))


def test_too_little_memory_is_not_taken_for_damage(tmp_path, monkeypatch):
    tables.write(ROWS, tmp_path / "table.parquet", SCHEMA)

    def full(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", full)
    with pytest.raises(MemoryError):
        tables.read(tmp_path / "table.parquet", SCHEMA)


def test_equal_content_gives_equal_bytes(tmp_path):
    whole = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 99), whole.slice(100)])
    shuffled = whole.select(["share", "ids", "name", "count"])
    stamped = whole.replace_schema_metadata({"someone": "else's"})
    contents = set()
    for index, table in enumerate([ROWS, whole, pieces, shuffled, stamped]):
        path = tmp_path / f"{index}.parquet"
        origin = {"x": 1, "y": 2} if index % 2 else {"y": 2, "x": 1}
        tables.write(table, path, SCHEMA, origin)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_another_origin_gives_other_bytes(tmp_path):
    tables.write(ROWS, tmp_path / "a.parquet", SCHEMA, {"x": 1})
    tables.write(ROWS, tmp_path / "b.parquet", SCHEMA, {"x": 2})
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "b.parquet").read_bytes()


def test_a_flipped_bit_never_gives_other_rows(tmp_path):
    """Most flips are refused; those that are not must not have changed anything that is read."""
    path = tmp_path / "table.parquet"
    tables.write(ROWS, path, SCHEMA, {"x": 1})
    sound, content = tables.read(path, SCHEMA), path.read_bytes()
    refused = 0
    for step in range(200):
        position = step * len(content) // 200
        damaged = bytearray(content)
        damaged[position] ^= 1 << (step % 8)
        path.write_bytes(damaged)
        try:
            found = tables.read(path, SCHEMA)
        except BadInput as error:
            refused += 1
            assert str(path) in error.findings[0].where
            assert "rm '" in error.findings[0].mend
        else:
            assert found.equals(sound), f"byte {position}"
            assert tables.provenance(path) == {"x": 1}, f"byte {position}"
    assert refused > 150


def test_a_flipped_bit_among_the_rows_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    tables.write(ROWS, path, SCHEMA, {"x": 1})
    content, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
    for index in range(group.num_columns):
        column = group.column(index)
        start = column.dictionary_page_offset or column.data_page_offset
        damaged = bytearray(content)
        damaged[start + column.total_compressed_size // 2] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(BadInput):
            tables.read(path, SCHEMA)


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 8, 100, 0.5, -8, -4, -1])
def test_a_cut_file_is_refused(tmp_path, kept):
    path = tmp_path / "table.parquet"
    tables.write(ROWS, path, SCHEMA)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        tables.read(path, SCHEMA)
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        tables.provenance(path)


@pytest.mark.parametrize(
    "other",
    [
        SCHEMA.remove(0),
        SCHEMA.append(pa.field("more", pa.string())),
        SCHEMA.set(1, pa.field("count", pa.int64())),
        SCHEMA.set(0, pa.field("Name", pa.string())),
    ],
)
def test_other_columns_are_refused(tmp_path, other):
    path = tmp_path / "table.parquet"
    tables.write([], path, other)
    with pytest.raises(BadInput, match="not those this version writes"):
        tables.read(path, SCHEMA)


def test_an_absent_file_is_refused_with_a_mend(tmp_path):
    with pytest.raises(BadInput, match="there is no such file"):
        tables.read(tmp_path / "no.parquet")
    with pytest.raises(BadInput):
        tables.provenance(tmp_path / "no.parquet")


def test_values_that_do_not_fit_the_schema_are_not_written(tmp_path):
    path = tmp_path / "table.parquet"
    for row in ({"count": 2**31}, {"count": "one"}):
        with pytest.raises((pa.ArrowException, OverflowError)):
            tables.write([dict.fromkeys(SCHEMA.names) | row], path, SCHEMA)
    assert list(tmp_path.iterdir()) == []


def test_some_columns_come_back_as_they_are_in_the_whole(tmp_path):
    path = tmp_path / "table.parquet"
    with tables.writing(path, SCHEMA) as add:
        for start in range(0, len(ROWS), 100):
            add(pa.Table.from_pylist(ROWS[start : start + 100], schema=SCHEMA))
    whole = tables.read(path, SCHEMA)
    assert tables.read(path, SCHEMA, ["share", "name"]).equals(whole.select(["share", "name"]))
    with pytest.raises(BadInput, match="columns"):
        tables.read(path, pa.schema(list(SCHEMA)[:2]), ["name"])


def test_damage_to_a_column_that_is_not_asked_for_is_refused(tmp_path):
    path, other = tmp_path / "table.parquet", tmp_path / "other.parquet"
    tables.write(ROWS, path, SCHEMA)
    with pq.ParquetFile(path) as file, pq.ParquetWriter(other, file.schema_arrow) as writer:
        changed = file.read().set_column(1, "count", pa.array(range(1, 302), pa.int32()))
        writer.write_table(changed)
        writer.add_key_value_metadata(file.metadata.metadata)
    for look in (lambda: tables.read(other, SCHEMA, ["name"]), lambda: tables.check(other)):
        with pytest.raises(BadInput, match="checksum"):
            look()
    tables.check(path)


def test_of_a_large_table_only_what_is_asked_for_stays_in_memory(tmp_path):
    path, groups, rows = tmp_path / "table.parquet", 20, 1000
    with tables.writing(path, SCHEMA) as add:
        for group in range(groups):
            long = [{"name": f"{group} {row} " * 100, "count": row} for row in range(rows)]
            add(pa.Table.from_pylist(long, schema=SCHEMA))
    whole = tables.read(path, SCHEMA).nbytes
    before = pa.total_allocated_bytes()
    found = tables.read(path, SCHEMA, ["count"])
    assert found.num_rows == groups * rows
    assert pa.total_allocated_bytes() - before < whole / 4, "the last row group may linger"
