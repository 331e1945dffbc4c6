"""The study config/anchors-tiny.yaml is run, then changed."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from anchor_cases import judged_outcomes, of_kind
from running import ROOT, merged, planned_jobs, snakemake, write_study

from cotsieve.findings.anchors.anchor_table import ANCHORS, SENTENCES
from cotsieve.findings.anchors.pairs import PAIRS
from cotsieve.findings.anchors.published import published_traces
from cotsieve.findings.anchors.reference import published
from cotsieve.findings.anchors.scored import SCORES
from cotsieve.findings.anchors.trace_rollouts import RESAMPLED as RESAMPLE
from cotsieve.findings.anchors.trace_rollouts import rollouts_of
from cotsieve.ground.tables import read
from cotsieve.report.page.frame import uncompressed
from cotsieve.rollouts.schema import ROLLOUTS

TINY = yaml.safe_load((ROOT / "config" / "anchors-tiny.yaml").read_text())
FOLDER = Path("results/anchors-tiny/anchors")
TABLES = [f"{FOLDER}/tiny-reasoner.parquet", f"{FOLDER}/tiny-reasoner-pairs.parquet"]
SCORED = f"{FOLDER}/tiny-reasoner-scores.parquet"
PAGE = "results/anchors-tiny/report/anchors/tiny-reasoner.html"
EXPORT = "results/anchors-tiny/export/tiny-reasoner/math-rollouts.parquet"
RESAMPLED = FOLDER / "tiny-reasoner" / "resample" / "sample"

AFTER_GRADES = {"embed": 1, "measure": 1}
AFTER_ROLLOUTS = {"grade_around": 1, "pair": 1} | AFTER_GRADES
CHANGES = {
    "nothing": ({}, {}),
    "the threshold": ({"threshold": 0.7}, {"pair": 1, "measure": 1}),
    "alpha": ({"alpha": 1.0}, {"measure": 1}),
    "the grader": ({"grader": "thought-anchors"}, {"grade_around": 1} | AFTER_GRADES),
    "the labels": ({"labels": "none"}, {"measure": 1}),
    "the embedding model": (
        {"embeddings": "someone/something"},
        {"fetch_embeddings": 1, "embed": 1, "pair": 1, "measure": 1},
    ),
    "more rollouts": ({"rollouts": 30}, {"resample": 1} | AFTER_ROLLOUTS),
    "the longest trace": (
        {"sentences": {"most": 4}}, {"split": 1, "resample": 2, "label": 1} | AFTER_ROLLOUTS,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("anchors")
    write_study(folder, TINY)
    run(folder, *TABLES, PAGE, EXPORT)
    return folder


def run(folder: Path, *targets: str) -> None:
    done = snakemake(folder, *(targets or TABLES), cores=2)
    assert done.returncode == 0, done.stdout[-6000:]


def changed(folder: Path, anchors: dict[str, Any], **others: Any) -> str:
    """A study file beside the one that was run."""
    study = merged(TINY, {"anchors": anchors, **others})
    (folder / "changed.yaml").write_text(yaml.safe_dump(study))
    return "changed.yaml"


def test_the_tiny_study_tells_which_sentences_matter(place):
    found = read(place / TABLES[0], ANCHORS).to_pylist()
    sentences = read(place / FOLDER / "tiny-reasoner" / "sentences.parquet", SENTENCES)
    assert len(found) == len(sentences) > 20
    assert {row["rollouts"] for row in found} == {20}
    assert {row["forced"] for row in found} == {10}
    last = [row for row in found if row["sentence"] == row["sentences"] - 1]
    assert all(row["gain_resampled"] is None for row in last)
    # The answer is read off the sentence that states it: what comes before it says less.
    before_last = [row for row in found if row["sentence"] == row["sentences"] - 2]
    earlier = [row for row in found if row["sentence"] < row["sentences"] - 2]
    assert mean(before_last, "gain_forced") > mean(earlier, "gain_forced")
    pairs = read(place / TABLES[1], PAIRS).to_pylist()
    assert {row["importance"] is None for row in pairs if row["source"] == row["target"]} == {True}


def test_scored_answers_see_what_rollouts_see(place):
    """The tiny model reads its answer off the last result, and altering that takes it away."""
    rows = read(place / SCORED, SCORES).to_pylist()
    assert [row["sentence"] for row in rows] == [row["sentence"] for row in measured(place)]
    assert not any(row["error"] for row in rows)
    late = [row for row in rows if row["sentence"] >= row["sentences"] - 2]
    early = [row for row in rows if row["sentence"] < row["sentences"] - 2]
    assert mean(late, "true_thinking_score") > 2 * mean(early, "true_thinking_score")
    assert mean(late, "gain_unaltered") > 0
    last = [row for row in rows if row["sentence"] == row["sentences"] - 1]
    assert mean(last, "greedy_after") > 0.5


def mean(rows: list[dict], column: str) -> float:
    return sum(row[column] for row in rows) / len(rows)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_plans_exactly_these_jobs(name, place):
    anchors, jobs = CHANGES[name]
    planned = planned_jobs(place, *TABLES, study=changed(place, anchors))
    assert planned.jobs == jobs


def test_another_grader_of_the_study_needs_no_gpu(place):
    study = changed(place, {}, grading={"grader": "math"})
    assert planned_jobs(place, *TABLES, study=study).jobs == {"grade_around": 1} | AFTER_GRADES


def test_more_rollouts_are_added_to_those_that_are_there(place, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(place, folder, symlinks=True)
    before = read(folder / RESAMPLED / "0000.parquet", ROLLOUTS)
    write_study(folder, merged(TINY, {"anchors": {"rollouts": 21}}))
    run(folder, f"{RESAMPLED}/0000.parquet")
    rows = read(folder / RESAMPLED / "0000.parquet", ROLLOUTS).to_pylist()
    assert [row for row in rows if row["sample"] < 20] == before.to_pylist()
    assert len(rows) == len(before) * 21 // 20
    log = "results/anchors-tiny/logs/resample/tiny-reasoner/resample/sample/0000.log"
    assert f"{len(before)} rows are kept from before" in (folder / log).read_text()


def test_the_page_holds_every_trace_and_loads_nothing(place):
    text = (place / PAGE).read_text()
    found = uncompressed(re.search(r'id="data">([^<]+)<', text)[1])
    assert sum(len(trace["sentences"]) for trace in found["traces"]) == len(
        read(place / TABLES[0], ANCHORS)
    )
    meanings = found["traces"][0]["sentences"][0]["meanings"]
    assert sum(count for _, count, _ in meanings) <= 20
    assert meanings[0][2][0][1] > 0
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text


def test_exported_rollouts_can_be_imported(place):
    tree = (place / EXPORT).parent / "math_rollouts"
    traces = list(published_traces(tree))
    rows = {(row["problem_id"], row["sentence"]): row for row in measured(place)}
    assert sum(len(trace.chunks) for trace in traces) == len(rows)
    for trace in traces:
        problem_id = trace.problem_id.rpartition("problem_")[2].rpartition(".")[0]
        found = published(rollouts(trace, RESAMPLE), rollouts(trace, "force"))
        for number in range(len(trace.chunks)):
            row = rows[problem_id, number]
            assert found["accuracy"][number] == row["accuracy"]
            assert found["resampling_importance_kl"][number] == pytest.approx(
                row["resampling_importance_kl"] or 0
            )
            assert found["forced_importance_kl"][number] == pytest.approx(
                row["forced_importance_kl"] or 0
            )


def measured(place: Path) -> list[dict]:
    return read(place / TABLES[0], ANCHORS).to_pylist()


def rollouts(trace, kind: str):
    return rollouts_of(of_kind(judged_outcomes(trace, "original"), kind), len(trace.chunks))


def test_published_rollouts_are_completed(shared, tmp_path):
    """Ten of each of seven sentences are there, some of them failed; eleven are asked for."""
    tree = shared / "golden" / "thought_anchors" / "math_rollouts"
    study = merged(TINY, {"models": {"tiny-reasoner": {"anchors_from": str(tree)}}})
    write_study(tmp_path, merged(study, {"anchors": {"rollouts": 11}}))
    folder = FOLDER / "tiny-reasoner" / "resample"
    run(tmp_path, f"{folder}/completed.parquet")
    given = read(tmp_path / folder / "published.parquet", ROLLOUTS).to_pylist()
    rows = read(tmp_path / folder / "completed.parquet", ROLLOUTS).to_pylist()
    sound = [row for row in given if row["finish_reason"] == "imported"]
    assert len(rows) == 7 * 11
    assert [row for row in rows if row["finish_reason"] == "imported"] == sound
    added = [row for row in rows if row["finish_reason"] != "imported"]
    assert len(added) == 7 + len(given) - len(sound)
    assert {row["finish_reason"] for row in added} <= {"stop", "length", "failed"}
    assert all(row["error"] for row in added if row["finish_reason"] == "failed")


def test_greedy_models_are_refused(tmp_path):
    write_study(tmp_path, merged(TINY, {"decoding": {"temperature": 0.0, "samples": 1}}))
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode != 0
    assert "greedy rollouts" in done.stdout
    assert "Traceback" not in done.stdout
