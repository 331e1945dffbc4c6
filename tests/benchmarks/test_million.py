"""The benchmark of a million rollouts goes the way of the rules: tried on a few."""

from pathlib import Path

from benchmarks.million import CHAIN, report, shards
from cotsieve.ground import tables


def test_every_step_runs_and_the_sieve_finds_what_was_made(tmp_path: Path) -> None:
    problems, conditions = 300, 3
    for step in [*CHAIN, report]:
        step(tmp_path, problems, conditions)
    assert len(shards(tmp_path)) == 2
    assert tables.read(tmp_path / "merged.parquet").num_rows == problems * conditions
    found = tables.read(tmp_path / "necessity.parquet")["needs_cot"].to_pylist()
    assert found == [(row + 1) % 3 == 0 for row in range(problems)]
    assert (tmp_path / "report" / "index.html").is_file()
