"""A job with a real model: loaded once however many parts its shard has, and not for kept rows."""

from pathlib import Path

import pytest
import tiny
from make_codi import MadeCodi

from cotsieve.engine.latent import model as latent_model
from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.job import Job, Running
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.latent_job import run_latent_shard
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

PROBLEMS = [
    Problem(name, "made", row, question, None, "1", 2, "2-step")
    for row, (name, question) in enumerate(zip(tiny.IDS, tiny.QUESTIONS, strict=True))
]
CONDITIONS = {"baseline": None, "mean": {"operation": "mean", "layer": "middle"}}


class Loader:
    """Loads the made model, and counts how often."""

    def __init__(self, made: MadeCodi):
        self.made, self.loads = made, 0

    def __call__(self, *_: object, **__: object) -> latent_model.LatentModel:
        self.loads += 1
        return tiny.load(self.made)


def rows(folder: Path, held: int) -> list[dict]:
    """Rows without their margins, whose last bits depend on the batch."""
    kept = KeptRows(folder / "kept", "main", range(7), most_problems=3, most_seconds=60)
    recipe = Recipe(CONDITIONS, {"decoding": {}}, "the first three")
    running = Running({}, {}, "cpu", 64, 1, held)
    job = Job(folder / "shard.parquet", PROBLEMS, {}, {}, recipe, running, kept)
    run_latent_shard(job, PROBLEMS[:3])
    return tables.read(folder / "shard.parquet", ROLLOUTS).drop(["margin"]).to_pylist()


def test_a_shard_in_parts_loads_its_model_once(
    makes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = Loader(makes("llama", layers=4))
    monkeypatch.setattr(latent_model, "load_latent_model", loader)
    whole = rows(tmp_path / "whole", held=1000)
    assert loader.loads == 1
    assert rows(tmp_path / "parts", held=4) == whole
    assert loader.loads == 2
    assert rows(tmp_path / "parts", held=6) == whole, "all rows are kept"
    assert loader.loads == 2
    assert len(whole) == 14 and not any(row["error"] for row in whole)
