import numpy as np
import pyarrow as pa
import pytest
from findings_cases import problem_row, problems_of, rollout_row, rollouts_of

from cotsieve.findings import merge as merging
from cotsieve.findings.grades import GRADES
from cotsieve.findings.merge import MERGED, merge, write_merged
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput
from cotsieve.rollouts.schema import ROLLOUTS

IDS = [f"test_{index}" for index in (3, 0, 7, 5, 1, 2, 9)]
PROBLEMS = problems_of([problem_row(problem_id) for problem_id in IDS])
CONDITIONS = {"zeros": ["baseline", "zero"], "means": ["baseline", "zero", "mean"]}


def study(samples: int = 2) -> list[tuple[str, dict]]:
    """(sweep, rollout) of every problem x condition x sample, in merged order."""
    return [
        (sweep, rollout_row(problem_id, condition, f"{sweep} {problem_id} {condition}", sample))
        for sweep in sorted(CONDITIONS)
        for problem_id in IDS
        for condition in CONDITIONS[sweep]
        for sample in range(samples)
    ]


def shards(folder, rows, shard_of):
    """Write rollouts and grades of each (sweep, shard), and name them as parts."""
    groups: dict[tuple, list[dict]] = {}
    for sweep, row in rows:
        groups.setdefault((sweep, shard_of(row)), []).append(row)
    parts = []
    for (sweep, shard), group in groups.items():
        paths = [folder / f"{sweep}-{shard}-{kind}.parquet" for kind in ("rollouts", "grades")]
        tables.write(rollouts_of(group), paths[0], ROLLOUTS)
        grades = [{**row, "prediction": row["text"][-1], "verdict": "correct"} for row in group]
        tables.write(grades, paths[1], GRADES)
        parts.append((sweep, *paths))
    return parts


SHARDINGS = {
    "one shard": lambda row: 0,
    "by problem": lambda row: IDS.index(row["problem_id"]) // 2,
    "by condition": lambda row: row["condition"],
    "crosswise": lambda row: (IDS.index(row["problem_id"]) + row["sample"]) % 3,
}


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_the_order_is_that_of_problems_and_conditions_whatever_the_shards(tmp_path, sharding):
    rows = study()
    parts = shards(tmp_path, rows[::-1], SHARDINGS[sharding])
    merged = merge(parts, PROBLEMS, CONDITIONS)
    assert merged.schema == MERGED
    assert merged["text"].to_pylist() == [row["text"] for _, row in rows]
    assert merged["sample"].to_pylist() == [row["sample"] for _, row in rows]
    assert merged["prediction"].to_pylist() == [row["text"][-1] for _, row in rows]
    numbers = [int(row["problem_id"][5:]) for _, row in rows]
    assert merged["row"].to_pylist() == numbers


def test_the_written_bytes_do_not_depend_on_the_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "ROWS_PER_GROUP", 9)
    written = set()
    for number, shard_of in enumerate(SHARDINGS.values()):
        folder = tmp_path / str(number)
        parts = shards(folder, study(), shard_of)
        path = folder / "merged.parquet"
        write_merged(path, parts, PROBLEMS, CONDITIONS, {"study": "small"})
        written.add(path.read_bytes())
        assert tables.read(path, MERGED).equals(merge(parts, PROBLEMS, CONDITIONS))
        assert tables.provenance(path) == {"study": "small"}
    assert len(written) == 1


def test_a_damaged_merged_file_is_noticed(tmp_path):
    path = tmp_path / "merged.parquet"
    write_merged(path, shards(tmp_path, study(), SHARDINGS["one shard"]), PROBLEMS, CONDITIONS)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        tables.read(path, MERGED)


def test_a_missing_rollout_is_named(tmp_path):
    parts = shards(tmp_path, study()[:-1], SHARDINGS["by problem"])
    with pytest.raises(BadInput, match=r"sweep zeros .4 shards.: 1 of 28 .* test_9 / zero / 1"):
        merge(parts, PROBLEMS, CONDITIONS)


def test_a_missing_rollout_inside_a_shard_names_the_shard(tmp_path):
    rows = study()
    parts = shards(tmp_path, rows[:9] + rows[10:], SHARDINGS["by problem"])
    with pytest.raises(BadInput, match=r"test_0 / zero / 1.*means-0-rollouts.parquet may be cut"):
        merge(parts, PROBLEMS, CONDITIONS)


@pytest.mark.parametrize("sharding", ["one shard", "by problem"])
def test_a_doubled_rollout_is_named_with_its_shard(tmp_path, sharding):
    rows = study()
    parts = shards(tmp_path, [*rows, rows[0]], SHARDINGS[sharding])
    parts += shards(tmp_path / "again", rows[-1:], SHARDINGS["one shard"])
    with pytest.raises(BadInput) as caught:
        merge(parts, PROBLEMS, CONDITIONS)
    first, second = map(str, caught.value.findings)
    assert "means-0-rollouts" in first and "test_3 / baseline / 0" in first
    assert "again/zeros-0-rollouts" in second and "test_9 / zero / 1" in second


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [("problem_id", "test_99", "problem_id that sweep"), ("condition", "swap", "condition that")],
)
def test_a_stray_row_is_named_with_its_shard(tmp_path, column, value, what):
    sweep, row = study()[0]
    parts = shards(tmp_path, [*study(), (sweep, {**row, column: value})], SHARDINGS["one shard"])
    with pytest.raises(BadInput, match=f"means-0-rollouts.*{what}.*{value}"):
        merge(parts, PROBLEMS, CONDITIONS)


def test_grades_of_other_rollouts_are_refused(tmp_path):
    (sweep, rollouts, _), *rest = shards(tmp_path, study(), SHARDINGS["by problem"])
    swapped = (sweep, rollouts, rest[0][2])
    with pytest.raises(BadInput, match="its rows are not those of"):
        merge([swapped, *rest], PROBLEMS, CONDITIONS)


def test_a_sweep_without_shards_is_missing(tmp_path):
    parts = shards(tmp_path, study(), SHARDINGS["one shard"])
    with pytest.raises(BadInput, match=r"sweep zeros .0 shards.: 14 of 14 rollouts are missing"):
        merge([part for part in parts if part[0] == "means"], PROBLEMS, CONDITIONS)


def test_nothing_but_shards_that_interlock_is_held_together():
    def placed(*positions):
        return merging._Placed(None, None, np.array(positions, dtype=np.int64))

    first, second, third, empty = placed(0, 4), placed(2, 3), placed(5, 6), placed()
    groups = list(merging._overlapping([third, empty, second, first]))
    assert [[part is first for part in group] for group in groups] == [[True, False], [False]]


def test_no_rows_at_all_make_an_empty_table(tmp_path):
    write_merged(tmp_path / "merged.parquet", [], PROBLEMS, {})
    assert tables.read(tmp_path / "merged.parquet", MERGED).equals(pa.Table.from_pylist([], MERGED))


def test_why_there_is_no_rollout_or_no_verdict_is_told_alike(tmp_path):
    rollouts = [rollout_row("test_3", "zero", "text"), rollout_row("test_0", "zero", None)]
    rollouts.append(rollout_row("test_7", "zero", "text"))
    reasons = ["grader timeout", None, None]
    grades = [
        {**row, "prediction": None, "verdict": "failed" if place < 2 else "correct", "reason": why}
        for place, (row, why) in enumerate(zip(rollouts, reasons, strict=True))
    ]
    paths = [tmp_path / "rollouts.parquet", tmp_path / "grades.parquet"]
    tables.write(rollouts_of(rollouts), paths[0], ROLLOUTS)
    tables.write(grades, paths[1], GRADES)
    problems = PROBLEMS.slice(0, 3)
    merged = merge([("main", *paths)], problems, {"main": ["zero"]})
    assert merged["error"].to_pylist() == ["grader timeout", "too long", None]
