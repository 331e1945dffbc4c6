"""Shards stay where they are, and their digests change exactly when what they hold does."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from studies import MINIMAL, changed

from cotsieve.ground.faults import BadInput
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.shards import Shard
from cotsieve.study.settings.reading import read_study

ROOT = Path(__file__).resolve().parents[3]
COMMIT = "e53f048856ff4f594e959d75785d2c2d37b678ee"


def row(index: int, **keys: object) -> dict:
    about = {"question": f"What is {index} + 1?", "answer": f"<<{index}+1>>\n#### {index + 1}"}
    return about | keys


def write(path: Path, rows: Sequence[dict]) -> str:
    path.write_text("".join(json.dumps(item) + "\n" for item in rows))
    return str(path)


def plan_of(path: str, *changes: tuple[str, object]) -> Plan:
    study = changed("sources toy path", path)
    study = changed("engine", {"shard_size": 10}, study)
    for where, value in changes:
        study = changed(where, value, study)
    return Plan(read_study(study))


def shards(plan: Plan) -> dict[str, Shard]:
    return {shard.name: shard for shard in plan.shards}


def ids(plan: Plan) -> list[str]:
    return [problem.problem_id for problem in plan.selection.problems()]


@pytest.fixture
def rows() -> list[dict]:
    return [row(index) for index in range(45)]


@pytest.fixture
def file(tmp_path, rows) -> str:
    return write(tmp_path / "toy.jsonl", rows)


def test_shards_are_ranges_of_rows_of_a_source(file):
    plan = plan_of(file)
    assert list(shards(plan)) == [f"toy/{index:04d}" for index in range(5)]
    planned = shards(plan)["toy/0002"]
    problems = plan.planned("toy", "0002", planned.prompts)
    assert [problem.row for problem in problems] == list(range(20, 30))
    assert plan.planned_answers("toy", "0002", planned.references)["toy_20"] == "21"


@pytest.mark.parametrize(("low", "high"), [(10, 20), (15, 18), (1, 45), (20, 21)])
def test_a_larger_limit_only_adds(file, low, high):
    before = plan_of(file, ("select limit", low))
    after = plan_of(file, ("select limit", high))
    assert ids(after)[:low] == ids(before)
    cut = low // 10
    for name, shard in shards(before).items():
        same = shards(after)[name] == shard
        assert same == (shard.index < cut), name


def test_added_rows_and_sources_only_add(tmp_path, file, rows):
    before = shards(plan_of(file))
    longer = shards(plan_of(write(tmp_path / "toy.jsonl", [*rows, row(45), row(60)])))
    assert moved(before, longer) == {"toy/0004"}  # the shard that was not full
    write(tmp_path / "toy.jsonl", rows)
    more = ("sources more", {"path": write(tmp_path / "more.jsonl", [row(100)])})
    assert moved(before, shards(plan_of(file, more))) == set()
    assert "more/0000" in shards(plan_of(file, more))


def moved(before: dict[str, Shard], after: dict[str, Shard]) -> set[str]:
    """Shards of before that are not the same any more."""
    return {name for name, shard in before.items() if after.get(name) != shard}


def test_an_exclusion_touches_only_the_shards_it_hits(tmp_path, file, rows):
    before = plan_of(file)
    listed = tmp_path / "out.txt"
    listed.write_text(rows[13]["question"] + "\n")
    exclude = ("select exclude", [{"path": str(listed), "format": "text"}])
    after = plan_of(file, exclude)
    assert moved(shards(before), shards(after)) == {"toy/0001"}
    listed.write_text("\n".join(rows[index]["question"] for index in (13, 31, 32)))
    assert moved(shards(before), shards(plan_of(file, exclude))) == {"toy/0001", "toy/0003"}
    listed.write_text("\n".join(item["question"] for item in rows[10:20]))
    assert list(shards(plan_of(file, exclude))) == ["toy/0000", "toy/0002", "toy/0003", "toy/0004"]


def test_an_edited_question_changes_the_prompts_of_its_shard_alone(tmp_path, file, rows):
    before = shards(plan_of(file))
    rows[24]["question"] += " Exactly?"
    after = shards(plan_of(write(tmp_path / "toy.jsonl", rows)))
    assert moved(before, after) == {"toy/0002"}
    assert after["toy/0002"].references == before["toy/0002"].references


def test_an_edited_answer_changes_the_references_of_its_shard_alone(tmp_path, file, rows):
    before = shards(plan_of(file))
    rows[24]["answer"] = "#### 7"
    after = shards(plan_of(write(tmp_path / "toy.jsonl", rows)))
    assert moved(before, after) == {"toy/0002"}
    assert after["toy/0002"].prompts == before["toy/0002"].prompts


def test_an_edited_solution_changes_no_shard_but_the_content(tmp_path, file, rows):
    before = plan_of(file)
    content = before.content_digest()
    rows[24]["answer"] = "Think. <<24+1=25>> <<25+0=25>>\n#### 25"
    after = plan_of(write(tmp_path / "toy.jsonl", rows))
    assert moved(shards(before), shards(after)) == set()
    assert after.content_digest() != content


def test_where_a_file_lies_does_not_count(tmp_path, file, rows):
    (tmp_path / "elsewhere").mkdir()
    moved_file = write(tmp_path / "elsewhere" / "other.jsonl", rows)
    assert plan_of(moved_file).content_digest() == plan_of(file).content_digest()
    assert shards(plan_of(moved_file)) == shards(plan_of(file))


def test_rows_that_changed_since_the_plan_are_refused(tmp_path, file, rows):
    planned = shards(plan_of(file))["toy/0002"]
    rows[24] = row(99)
    write(tmp_path / "toy.jsonl", rows)
    with pytest.raises(BadInput, match="not those that were planned"):
        plan_of(file).planned("toy", "0002", planned.prompts)
    with pytest.raises(BadInput, match="not those that were planned"):
        plan_of(file).planned_answers("toy", "0002", planned.references)


def test_a_shard_that_is_gone_since_the_plan_is_refused(tmp_path, file, rows):
    planned = shards(plan_of(file))["toy/0004"]
    write(tmp_path / "toy.jsonl", rows[:30])
    with pytest.raises(BadInput, match="not those that were planned"):
        plan_of(file).planned("toy", "0004", planned.prompts)


# Hub sources are planned before they are fetched.


def hub_plan(exclude: Path | None = None, limit: int | None = None, size: int = 1000, **keys):
    """The sources of gsm8k-codi-llama.yaml, none of them on disk."""
    shipped = yaml.safe_load((ROOT / "config" / "gsm8k-codi-llama.yaml").read_text())
    study = MINIMAL | {"sources": shipped["sources"], "engine": {"shard_size": size}}
    if exclude:
        study = changed("select exclude", [{"path": str(exclude), "format": "text"}], study)
    if limit:
        study = changed("select limit", limit, study)
    for path, value in keys.items():
        study = changed(path.replace("__", " "), value, study)
    return Plan(read_study(study))


@pytest.fixture
def listed(tmp_path) -> Path:
    """532 entries, of which nobody knows yet how many rows they match."""
    path = tmp_path / "out.txt"
    path.write_text("".join(f"question {index}\n" for index in range(532)))
    return path


def test_every_row_of_an_unfetched_study_is_planned_without_a_limit():
    names = list(shards(hub_plan()))
    assert names == ["test/0000", "test/0001", *(f"train/{index:04d}" for index in range(8))]


@pytest.mark.parametrize(
    ("limit", "shards_of_train"),
    [
        # 1,319 test rows, then n thousand train rows. Shards are planned as long as the candidates
        # so far may be fewer than the limit: at least all rows so far less 532.
        (787, 0), (788, 1), (1787, 1), (1788, 2), (7500, 7), (7787, 7), (7788, 8), (99_999, 8),
    ],
)  # fmt: skip
def test_bounds_on_the_limit_decide_the_shards(listed, limit, shards_of_train):
    names = [name for name in shards(hub_plan(listed, limit)) if name.startswith("train")]
    assert len(names) == shards_of_train


def test_shards_before_the_cut_do_not_depend_on_the_limit(listed):
    unlimited = shards(hub_plan(listed))
    smaller, larger = shards(hub_plan(listed, 5000)), shards(hub_plan(listed, 7500))
    # 1,319 + 3 × 1,000 rows are fewer than 5,000 even if nothing is excluded.
    sure = ["test/0000", "test/0001", "train/0000", "train/0001", "train/0002"]
    assert moved(smaller, larger) == set(smaller) - set(sure)
    assert moved(smaller, unlimited) == set(smaller) - set(sure)
    assert set(smaller) - set(sure) == {"train/0003", "train/0004"}
    assert moved(larger, unlimited) == {"train/0006"}


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("sources__train__hub__revision", "0" * 40),
        ("sources__train__columns", {"id": "number"}),
    ],
)
def test_the_pin_of_a_hub_source_decides_its_shards_alone(change, value):
    changes = moved(shards(hub_plan()), shards(hub_plan(**{change: value})))
    assert changes == {f"train/{index:04d}" for index in range(8)}


def test_a_shard_the_limit_may_cut_depends_on_the_sources_before_it():
    """Which of its rows are candidates depends on how many earlier rows were excluded."""
    other = {"sources__test__hub__revision": "0" * 40}
    first = {"test/0000", "test/0001"}
    before, after = shards(hub_plan(limit=5000)), shards(hub_plan(limit=5000, **other))
    assert moved(before, after) == first | {"train/0003"}
    before, after = shards(hub_plan()), shards(hub_plan(**other))
    assert moved(before, after) == first


def test_a_shard_needs_only_the_sources_that_decide_it(tmp_path, monkeypatch, rows):
    """Its job may start before later sources are fetched."""
    monkeypatch.chdir(tmp_path)
    hubs = {
        name: {"hub": {"repo": "a/b", "split": name, "revision": COMMIT, "rows": 45}}
        for name in ("one", "two", "three")
    }
    study = changed("engine", {"shard_size": 10}, changed("sources", hubs))
    study = changed("select limit", 60, changed("sweeps main reference source", "one", study))
    plan = Plan(read_study(study))
    planned = shards(plan)
    assert list(planned)[-1] == "two/0001"
    assert plan.sources_for("one", "0003") == ["one"]
    assert plan.sources_for("two", "0000") == ["two"]
    assert plan.sources_for("two", "0001") == ["one", "two"]

    put(plan, "two", rows)
    first = plan.planned("two", "0000", planned["two/0000"].prompts)
    assert [problem.row for problem in first] == list(range(10))
    with pytest.raises(BadInput, match="no such file"):
        plan.planned("two", "0001", planned["two/0001"].prompts)
    put(plan, "one", rows)
    last = plan.planned("two", "0001", planned["two/0001"].prompts)
    assert [problem.row for problem in last] == list(range(10, 15))
    assert len(plan.planned("one", "0004", planned["one/0004"].prompts)) == 5


def put(plan: Plan, name: str, rows: list[dict]) -> None:
    """Lay the file where the rule that fetches would write it."""
    plan.source_file(name).parent.mkdir(parents=True, exist_ok=True)
    write_parquet(plan.source_file(name), rows)


def test_a_fetched_source_is_planned_as_before_it_was_fetched(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    hub = {"repo": "a/b", "split": "test", "revision": COMMIT, "rows": 45}
    study = changed("engine", {"shard_size": 10}, changed("sources", {"toy": {"hub": hub}}))
    before = Plan(read_study(study))
    planned = before.shards
    target = before.source_file("toy")
    target.parent.mkdir(parents=True)
    write_parquet(target, rows)
    after = Plan(read_study(study))
    assert after.shards == planned
    shard = shards(after)["toy/0004"]
    assert len(after.planned("toy", "0004", shard.prompts)) == 5


def test_a_fetched_source_must_have_the_rows_that_were_told(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    hub = {"repo": "a/b", "split": "test", "revision": COMMIT, "rows": 44}
    plan = Plan(read_study(changed("sources", {"toy": {"hub": hub}})))
    plan.source_file("toy").parent.mkdir(parents=True)
    write_parquet(plan.source_file("toy"), rows)
    with pytest.raises(BadInput, match="44 rows expected, the file has 45"):
        plan.asked("toy")


def write_parquet(path: Path, rows: list[dict]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)
