"""The report of a real run: made from its tables alone, and shown by Snakemake's own report too."""

import shutil
import zipfile
from pathlib import Path

import pytest
from running import planned_jobs, run, snakemake, study_of, write_study

from cotsieve.findings.necessity.judging import NECESSITY, rates
from cotsieve.ground import tables
from cotsieve.report.facts.wording import percent

GRID = {
    "operation": ["zero", "mean"],
    "layer": ["early", "late"],
    "thoughts": [{"first": 2}, "all"],
}


@pytest.fixture(scope="module")
def ran(trained_model, tmp_path_factory) -> Path:
    """A folder in which a study with a grid has been run."""
    folder = tmp_path_factory.mktemp("report")
    sweep = {"conditions": {"zero": {"operation": "zero", "layer": "middle"}}, "grid": GRID}
    study = study_of(
        trained_model, sweeps={"main": sweep}, sieve={"sweep": "main", "ablation": "zero"}
    )
    write_study(folder, study, problems=12)
    run(folder)
    return folder


def test_the_page_tells_what_the_tables_hold(ran):
    report = ran / "results/toy/report"
    text = (report / "index.html").read_text(encoding="utf-8")
    rows = tables.read(ran / "results/toy/necessity/tiny.parquet", NECESSITY).to_pylist()
    (everything,) = rates(rows)
    assert everything.baseline_correct.count
    assert percent(everything.needs_cot_of_correct.value) in text
    for name in ("rates", "main-heat-1", "main-curves-1", "lengths"):
        for suffix in ("png", "svg", "csv"):
            assert (report / f"figures/tiny/{name}.{suffix}").stat().st_size > 0
    assert "generate" in (report / "throughput.html").read_text(encoding="utf-8")


def test_measured_times_are_not_on_the_page(ran):
    """They differ from run to run; so a report made again has the same bytes."""
    page = ran / "results/toy/report/index.html"
    before = page.read_bytes()
    page.unlink()
    assert planned_jobs(ran).jobs == {"report": 1}
    run(ran)
    assert page.read_bytes() == before
    assert planned_jobs(ran).jobs == {}


def test_figures_and_times_that_are_deleted_are_made_again(ran):
    report = ran / "results/toy/report"
    shutil.rmtree(report / "figures")
    assert planned_jobs(ran).jobs == {"report": 1}
    run(ran)
    assert (report / "figures/tiny/rates.svg").is_file()
    (report / "throughput.html").unlink()
    assert planned_jobs(ran).jobs == {"report": 1}
    run(ran)
    assert planned_jobs(ran).jobs == {}


def test_snakemakes_own_report_shows_it_with_captions(ran):
    done = snakemake(ran, "--report", "report.zip")
    assert done.returncode == 0, done.stdout[-4000:]
    with zipfile.ZipFile(ran / "report.zip") as found:
        names = found.namelist()
        captions = "".join(found.read(name).decode() for name in names if name.endswith(".html"))
    assert any(name.endswith("index.html") for name in names)
    assert any(name.endswith(".svg") for name in names)
    assert "Wilson" in captions
