"""A study whose problems and model come from a hub, through the whole workflow."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, hub_with, serving
from running import REMOVED, files_under, planned_jobs, run, study_of, write_study

from cotsieve.demo.stories import make_sample
from cotsieve.findings.merge import MERGED
from cotsieve.ground.tables import provenance, read

PROBLEMS = 30


def columns() -> pa.Table:
    problems = make_sample(PROBLEMS, seed=1)
    return pa.table({key: [getattr(p, key) for p in problems] for key in ("question", "answer")})


@pytest.fixture
def hub(tmp_path: Path, tiny_model, monkeypatch) -> Iterator[str]:
    """The address of a hub with the problems and the model, for the processes that are started."""
    sink = io.BytesIO()
    pq.write_table(columns(), sink)
    checkpoint, base = Path(tiny_model["checkpoint"]), Path(tiny_model["base"])
    repositories = {
        "owner/problems": {"data/train-00000-of-00001.parquet": sink.getvalue()},
        "owner/codi": files_under(checkpoint),
        "owner/base": files_under(base),
    }
    for key in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(hub_with(repositories)) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield address


def test_it_ends_as_with_the_same_files_at_hand(tiny_model, tmp_path, hub):
    near, far = tmp_path / "near", tmp_path / "far"
    write_study(near, study_of(tiny_model), problems=PROBLEMS)
    run(near)
    source = {"repo": "owner/problems", "split": "train", "revision": COMMIT, "rows": PROBLEMS}
    model = {"checkpoint": "owner/codi", "base": "owner/base", "lora": tiny_model["lora"]}
    write_study(far, study_of(model, sources={"toy": {"path": REMOVED, "hub": source}}))
    planned = planned_jobs(far)
    assert planned.jobs["fetch_source"] == planned.jobs["fetch_model"] == 1
    run(far)

    path = "results/toy/merged/tiny.parquet"
    assert read(far / path, MERGED).equals(read(near / path, MERGED))
    assert provenance(far / path)["fetched commits"] == {"checkpoint": COMMIT, "base": COMMIT}
    assert COMMIT in (far / "results/toy/dataset/tiny/README.md").read_text(encoding="utf-8")
    assert planned_jobs(far).jobs == {}
