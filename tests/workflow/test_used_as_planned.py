"""What a job is to find as it was planned, and a run in which that changes."""

import shutil
from pathlib import Path

import pytest
from place import SOURCE, Place
from planning import workflow_of

from cotsieve.study.identity.used import PARAM


@pytest.fixture(scope="module")
def uses(finished: Place) -> dict[str, dict]:
    """Rule → what one of its jobs uses."""
    with workflow_of(finished.work, finished.checkout) as workflow:
        jobs = {job.rule.name: job for job in workflow.dag.jobs if job.output}
        return {name: job.params[PARAM][PARAM]["uses"] for name, job in jobs.items()}


def names(paths: dict) -> set[str]:
    return {Path(path).name for path in paths}


def test_jobs_are_told_of_all_they_read(uses):
    assert {"pytorch_model.bin", "config.json", SOURCE} <= names(uses["generate"]["files"])
    assert names(uses["grade"]["files"]) == {SOURCE}
    assert names(uses["problems"]["files"]) == {SOURCE, "excluded.txt"}
    assert names(uses["draw"]["files"]) == {"existing.json"}
    assert not uses["merge"]["files"]


def test_jobs_are_told_whose_tables_they_read(uses):
    assert not uses["generate"]["tables"]
    assert len(uses["judge"]["tables"]) == 2
    record, _ = uses["draw"]["tables"]["results/toy/exclusions.json"]
    assert record == "results/toy/identity/problems.parquet.json"


CHANGED_AT_START = """
import sys, pathlib
if ".snakemake/scripts" in sys.argv[0]:
    path = pathlib.Path({path!r})
    path.write_text(path.read_text() + "\\nANOTHER_CONSTANT = 1\\n")
"""


def test_code_that_changes_while_a_run_goes_on_ends_it(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    table = place.results / "necessity/other.parquet"
    table.unlink()
    code = place.checkout / "cotsieve/findings/necessity/judging.py"
    before = code.read_text()
    start = tmp_path / "libraries/sitecustomize.py"
    start.parent.mkdir()
    start.write_text(CHANGED_AT_START.format(path=str(code)))
    place.libraries = str(start.parent)
    done = place.snakemake("results/toy/necessity/other.parquet")
    assert done.returncode != 0
    assert "judge.py and the code it uses: changed while the workflow ran. Run it" in done.stdout
    assert not table.exists()
    shutil.rmtree(start.parent)
    code.write_text(before)
    assert place.planned_here().jobs == {"judge": 1, "draw": 1, "report": 1}
