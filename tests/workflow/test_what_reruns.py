"""What reruns after which change: a finished study is changed, and planned."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from changes import (
    HUB,
    Change,
    added,
    another_answer,
    another_constant,
    another_default,
    another_docstring,
    another_solution,
    another_version,
    another_word,
    appended,
    code,
    commented,
    conditions,
    corrupted,
    cut,
    damaged_record_of_snakemake,
    dated,
    deleted,
    exchanged,
    excluded_row,
    flipped_digits,
    hub_source,
    imported_from_here,
    imported_model,
    moved_checkout,
    moved_everything,
    moved_model,
    of_another_study,
    only_results_moved,
    package_for_module,
    patched,
    renamed_model,
    renamed_source,
    rows,
    second_source,
    study,
    swapped_rows,
    third_model,
    together,
    touched,
    with_option,
    without_records_of_snakemake,
    written,
    zipped_source,
)
from place import SOURCE, Place, touch
from running import REMOVED

# Per shard there are three generation jobs: tiny in main and in controls, other in main.
REPORT = {"report": 1}
DRAW = {"draw": 2} | REPORT
FINDINGS = {"merge": 2, "compare_graders": 2, "judge": 2} | DRAW
OF_ONE_MODEL = {"merge": 1, "compare_graders": 1, "judge": 1, "draw": 1} | REPORT
EVERY_GENERATION = {"generate": 9, "grade": 9} | FINDINGS
EVERY_GRADE = {"grade": 9} | FINDINGS
ONE_SHARD = {"problems": 1, "generate": 3, "grade": 3} | FINDINGS
NOTHING: dict[str, int] = {}

ZERO = {"operation": "zero", "layer": "middle"}


class Row(NamedTuple):
    """A change and what it makes the workflow do."""

    change: Change
    jobs: dict[str, int]
    shards: set[str] | None = None
    """Names of the shards that are generated again, where it matters."""
    before: Change | None = None
    """A change that is made and accepted first, since the study as it is lacks something."""
    target: str | None = None
    apart: bool = False
    """Whether a process of its own has to plan, since what it imports is another."""


WEIGHTS = "models/tiny/ckpt/pytorch_model.bin"
SHARD = "rollouts/tiny/main/toy/0001.parquet"

TABLE = {
    "nothing": Row(lambda place: None, NOTHING),
    # -- code ------------------------------------------------------------------------------------
    "a comment in a reached module": Row(code("cotsieve/ground/tables.py", commented), NOTHING),
    "a docstring in a reached module": Row(
        code("cotsieve/rollouts/latent_rows.py", another_docstring), NOTHING
    ),
    "all code files touched": Row(touched("checkout"), NOTHING),
    "the checkout moved": Row(moved_checkout, NOTHING),
    "an option that no job reads": Row(
        code("cotsieve/study/settings/study.py", with_option("Engine")), NOTHING, apart=True
    ),
    "an option of decoding": Row(
        code("cotsieve/study/settings/models.py", with_option("Decoding")), NOTHING, apart=True
    ),
    "the code that numbers are found with": Row(
        code("cotsieve/answers/numbers.py", another_constant), EVERY_GRADE
    ),
    "the code that sources are read with": Row(
        code("cotsieve/problems/sources.py", another_constant), {"problems": 1} | FINDINGS
    ),
    "the code of the engine": Row(
        code("cotsieve/engine/latent/engine.py", another_constant), EVERY_GENERATION
    ),
    "the code of the card": Row(code("cotsieve/findings/dataset/card.py", another_constant), DRAW),
    "a rule's script": Row(
        code("workflow/scripts/judge.py", another_constant), {"judge": 2} | DRAW
    ),
    "the list of environments": Row(code("envs/cotsieve.yaml", commented), NOTHING),
    "another transformers": Row(another_version("transformers"), EVERY_GENERATION),
    "another scipy": Row(another_version("scipy"), {"judge": 2} | DRAW),
    "another sympy": Row(another_version("sympy"), FINDINGS),
    "another pyarrow": Row(another_version("pyarrow"), NOTHING),
    "another matplotlib": Row(another_version("matplotlib"), NOTHING),
    "code in a package on the way": Row(
        code("cotsieve/answers/__init__.py", another_constant), {"problems": 1} | EVERY_GENERATION
    ),
    "imports said in another way": Row(
        code("cotsieve/answers/graders.py", imported_from_here), NOTHING
    ),
    "a package beside a module of its name": Row(package_for_module, EVERY_GRADE),
    "code of the settings": Row(
        code("cotsieve/study/settings/outcome.py", another_constant), NOTHING
    ),
    "code that cuts shards": Row(
        code("cotsieve/study/plan/shards.py", another_constant), {"problems": 1} | FINDINGS
    ),
    "code by which a script makes its job": Row(
        code("cotsieve/study/jobs/making.py", another_constant), EVERY_GENERATION
    ),
    "code that finds the files of models": Row(
        code("cotsieve/study/jobs/places.py", another_constant), EVERY_GENERATION
    ),
    "the default of the tolerance": Row(
        code("cotsieve/study/settings/outcome.py", another_default("tolerance", "0.01", "0.5")),
        EVERY_GRADE,
        apart=True,
    ),
    "the default of the draw's seed": Row(
        code("cotsieve/study/settings/outcome.py", another_default("seed", "42", "43")),
        DRAW,
        apart=True,
    ),
    "the default of how many thoughts": Row(
        code("cotsieve/study/settings/models.py", another_default("thoughts", "6", "5")),
        EVERY_GENERATION,
        apart=True,
    ),
    "the default of where conditions write": Row(
        code(
            "cotsieve/study/settings/conditions.py",
            another_default("component", '"resid_post"', '"resid_pre"'),
        ),
        EVERY_GENERATION,
        apart=True,
    ),
    # -- grading and drawing ---------------------------------------------------------------------
    "the tolerance": Row(study(grading={"tolerance": 0.5}), EVERY_GRADE),
    "the tolerance, one model asked for": Row(
        study(grading={"tolerance": 0.5}),
        {"grade": 3, "merge": 1, "judge": 1, "draw": 1},
        target="results/toy/summary/other.txt",
    ),
    "the targets": Row(study(draw={"targets": {"2-step": 1}}), DRAW),
    "the list of known problems": Row(
        lambda place: place.edit("work/existing.json", lambda text: text.replace("4", "5")),
        DRAW,
    ),
    "the grader": Row(study(grading={"grader": "codi"}), EVERY_GRADE),
    "the seed of the draw": Row(study(draw={"seed": 43}), DRAW),
    "facts about the publication": Row(study(publish={"about": {"license": "mit"}}), DRAW),
    "no list of known problems": Row(study(existing=REMOVED), DRAW),
    # -- conditions ------------------------------------------------------------------------------
    "a condition redefined under its name": Row(
        conditions("main", **{"zero-middle": {"layer": "late"}}),
        {"generate": 6, "grade": 6} | FINDINGS,
    ),
    "a condition added": Row(
        conditions("controls", zero=ZERO), {"generate": 3, "grade": 3} | OF_ONE_MODEL
    ),
    "a condition renamed": Row(
        conditions("controls", **{"mean-middle": REMOVED}, mean=ZERO | {"operation": "mean"}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "a sweep added": Row(
        study(sweeps={"more": {"conditions": {"zero": ZERO}, "models": ["other"]}}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "a sweep removed": Row(study(sweeps={"controls": REMOVED}), OF_ONE_MODEL),
    "the number of reference problems": Row(
        study(sweeps={"controls": {"reference": {"problems": 5}}}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "activations of a file": Row(
        patched("states.safetensors"), {"generate": 3, "grade": 3} | OF_ONE_MODEL
    ),
    "a file of activations renamed": Row(
        patched("by/states-2.safetensors"), NOTHING, before=patched("states.safetensors")
    ),
    "other activations in a file": Row(
        lambda place: place.edit("work/states.safetensors", lambda text: "other"),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
        before=patched("states.safetensors"),
    ),
    # -- problems --------------------------------------------------------------------------------
    "the source touched": Row(lambda place: touch([place.work / SOURCE]), NOTHING),
    "the source renamed": Row(renamed_source, NOTHING),
    "the source zipped": Row(zipped_source, DRAW),  # its SHA-256 is told
    "rows swapped within a shard": Row(rows(swapped_rows), ONE_SHARD, {"toy/0001"}),
    "bad rows recorded, where there are none": Row(
        study(sources={"toy": {"bad_rows": "record"}}), NOTHING
    ),
    "a limit above all rows": Row(study(select={"limit": 5000}), NOTHING),
    "a limit raised above all rows": Row(
        study(select={"limit": 6000}), NOTHING, before=study(select={"limit": 5000})
    ),
    "a sample": Row(study(select={"sample": {"rows": 12}}), DRAW),
    "other strata": Row(
        study(strata={"by": "source"}),
        {"problems": 1} | FINDINGS,
        before=study(existing=REMOVED),
    ),
    "rows appended, half a shard": Row(appended(2), ONE_SHARD, {"toy/0003"}),
    "rows appended, a shard and a half": Row(
        appended(6),
        {"problems": 1, "generate": 9, "grade": 9} | FINDINGS,  # means are taken from two of them
        {f"toy/{shard:04d}" for shard in range(5)},
    ),
    "the question of the first row": Row(another_word(0), ONE_SHARD, {"toy/0000"}),
    "a question of the first rows": Row(another_word(3), ONE_SHARD, {"toy/0000"}),
    "a question of a late row": Row(another_word(10), ONE_SHARD, {"toy/0002"}),
    "a question that means are taken from": Row(
        another_word(2),
        {"problems": 1, "generate": 5, "grade": 5} | FINDINGS,
        {"toy/0000", "toy/0001", "toy/0002"},
    ),
    "a reference answer": Row(rows(another_answer), {"problems": 1, "grade": 3} | FINDINGS, set()),
    "a reference solution": Row(rows(another_solution), {"problems": 1} | FINDINGS),
    "an exclusion that matches": Row(excluded_row, ONE_SHARD, {"toy/0001"}),
    "a limit raised within a shard": Row(
        study(select={"limit": 10}), ONE_SHARD, {"toy/0002"}, before=study(select={"limit": 9})
    ),
    "a limit raised beyond a shard": Row(
        study(select={"limit": 9}),
        {"problems": 1, "generate": 6, "grade": 6} | FINDINGS,
        {"toy/0001", "toy/0002"},
        before=study(select={"limit": 6}),
    ),
    "a limit at the end of a shard": Row(study(select={"limit": 8}), {"problems": 1} | FINDINGS),
    "a limit within a shard": Row(study(select={"limit": 7}), ONE_SHARD, {"toy/0001"}),
    "the shard size": Row(
        study(engine={"shard_size": 6}),
        {"generate": 6, "grade": 6} | FINDINGS,
        {"toy/0000", "toy/0001"},
    ),
    "a source added": Row(
        second_source,
        {"problems": 1, "generate": 9, "grade": 9} | FINDINGS,
        {"second/0000", "second/0001", "second/0002"},
    ),
    "a source of a hub added": Row(
        hub_source,
        {"fetch_source": 1, "problems": 1, "generate": 6, "grade": 6} | FINDINGS,
        {"hub/0000", "hub/0001"},
    ),
    # -- models ----------------------------------------------------------------------------------
    "a model added": Row(third_model, {"generate": 3, "grade": 3} | OF_ONE_MODEL),
    "an imported model added": Row(
        imported_model,
        {"import_rollouts": 3, "grade": 3, "merge": 1, "judge": 1, "draw": 1} | REPORT,
    ),
    "weights replaced in place": Row(
        lambda place: place.flip_bits(WEIGHTS, 0.9),
        {"generate": 6, "grade": 6} | OF_ONE_MODEL,
    ),
    "a model's folder touched": Row(touched("work/models/tiny"), NOTHING),
    "a model's folder moved": Row(moved_model, NOTHING),
    "a model now from a hub": Row(
        study(models={"other": {"checkpoint": HUB["repository"], "revision": HUB["revision"]}}),
        {"fetch_model": 1, "generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "a model renamed": Row(renamed_model, {"generate": 3, "grade": 3} | OF_ONE_MODEL),
    "the style of prompts": Row(
        study(models={"other": {"prompt_style": "seed"}}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "a tokenizer edited": Row(
        lambda place: place.edit(
            "work/models/other/base/tokenizer_config.json", lambda text: text + " "
        ),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "lora alpha": Row(
        study(models={"other": {"lora": {"alpha": 4.0}}}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "precision": Row(
        study(models={"other": {"precision": "bf16"}}),
        {"generate": 3, "grade": 3} | OF_ONE_MODEL,
    ),
    "the longest answer": Row(study(decoding={"max_new_tokens": 13}), EVERY_GENERATION),
    "where answers stop": Row(study(decoding={"stop_at": "number"}), EVERY_GENERATION),
    "how the engine is run": Row(
        study(engine={"batch_rows": 8, "device": "cpu", "keep_problems": 9, "keep_seconds": 1.0}),
        NOTHING,
    ),
    # -- results ---------------------------------------------------------------------------------
    "all results touched": Row(touched("work/results"), NOTHING),
    "everything moved": Row(moved_everything, NOTHING),
    "logs, kept rows and caches deleted": Row(
        lambda place: [
            shutil.rmtree(folder)
            for folder in (
                *(place.results / name for name in ("logs", "kept", "benchmarks")),
                place.work / ".cotsieve",
            )
        ],
        NOTHING,
    ),
    # What is only a step on the way is not missed until something needs it.
    "rollouts of a shard deleted": Row(deleted(SHARD), NOTHING),
    "rollouts of a shard deleted, tolerance changed": Row(
        together(deleted(SHARD), study(grading={"tolerance": 0.5})),
        {"generate": 1} | EVERY_GRADE,
        {"toy/0001"},
    ),
    "a merged table deleted": Row(deleted("merged/other.parquet"), OF_ONE_MODEL),
    "a table of verdicts deleted": Row(
        deleted("necessity/other.parquet"), {"judge": 1, "draw": 1} | REPORT
    ),
    "a file of a dataset deleted": Row(deleted("dataset/tiny/dataset.json"), {"draw": 1} | REPORT),
    "rollouts of a shard with flipped bits": Row(
        corrupted(SHARD), {"generate": 1, "grade": 1} | OF_ONE_MODEL, {"toy/0001"}
    ),
    "grades of a shard cut short": Row(
        cut("grades/other/main/toy/0002.parquet"), {"grade": 1} | OF_ONE_MODEL
    ),
    "a merged table with flipped bits": Row(corrupted("merged/tiny.parquet"), OF_ONE_MODEL),
    "problems cut short": Row(cut("problems.parquet"), {"problems": 1} | FINDINGS),
    "a dataset's JSON file cut short": Row(cut("dataset/tiny/dataset.json"), {"draw": 1} | REPORT),
    "a dataset with flipped bits": Row(
        corrupted("dataset/tiny/data/train-00000-of-00001.parquet"), {"draw": 1} | REPORT
    ),
    # -- results know what they are ----------------------------------------------------------------
    "records of Snakemake deleted": Row(without_records_of_snakemake, NOTHING),
    "records of Snakemake deleted, tolerance changed": Row(
        together(without_records_of_snakemake, study(grading={"tolerance": 0.5})), EVERY_GRADE
    ),
    "records of Snakemake deleted, targets changed": Row(
        together(without_records_of_snakemake, study(draw={"targets": {"2-step": 1}})), DRAW
    ),
    "records of Snakemake deleted, weights replaced": Row(
        together(without_records_of_snakemake, lambda place: place.flip_bits(WEIGHTS, 0.9)),
        {"generate": 6, "grade": 6} | OF_ONE_MODEL,
    ),
    "records of Snakemake and all rollouts deleted, longest answer changed": Row(
        together(
            without_records_of_snakemake,
            lambda place: shutil.rmtree(place.results / "rollouts"),
            study(decoding={"max_new_tokens": 13}),
        ),
        EVERY_GENERATION,
    ),
    "records of Snakemake damaged": Row(damaged_record_of_snakemake, NOTHING),
    "results in another working folder": Row(only_results_moved, NOTHING),
    "results in another working folder, tolerance changed": Row(
        together(only_results_moved, study(grading={"tolerance": 0.5})), EVERY_GRADE
    ),
    "results dated back": Row(dated(-9.0), NOTHING),
    "merged tables dated ahead": Row(dated(9.0, "merged/*"), NOTHING),
    "merged tables dated back": Row(dated(-9.0, "merged/*"), NOTHING),
    "verdicts of another study": Row(of_another_study, {"judge": 2} | DRAW),
    "the folder of identities deleted": Row(
        lambda place: shutil.rmtree(place.results / "identity"), {"problems": 1} | EVERY_GENERATION
    ),
    "an identity deleted": Row(
        deleted("identity/necessity/other.parquet.json"), {"judge": 1, "draw": 1} | REPORT
    ),
    "an identity cut short": Row(cut("identity/merged/other.parquet.json"), OF_ONE_MODEL),
    "an identity in the place of another": Row(
        exchanged("identity/merged/other.parquet.json", "identity/merged/tiny.parquet.json"),
        FINDINGS,
    ),
    "the tables of two datasets exchanged": Row(
        exchanged(
            "dataset/tiny/data/train-00000-of-00001.parquet",
            "dataset/other/data/train-00000-of-00001.parquet",
        ),
        DRAW,
    ),
    "the verdicts of two models exchanged": Row(
        exchanged("necessity/tiny.parquet", "necessity/other.parquet"), {"judge": 2} | DRAW
    ),
    "the grades of two shards exchanged": Row(
        exchanged("grades/tiny/main/toy/0000.parquet", "grades/tiny/main/toy/0001.parquet"),
        {"grade": 2} | OF_ONE_MODEL,
    ),
    "the grades of two shards exchanged, with their identities": Row(
        together(
            exchanged("grades/tiny/main/toy/0000.parquet", "grades/tiny/main/toy/0001.parquet"),
            exchanged(
                "identity/grades/tiny/main/toy/0000.parquet.json",
                "identity/grades/tiny/main/toy/0001.parquet.json",
            ),
        ),
        {"grade": 2} | OF_ONE_MODEL,
    ),
    "the rollouts of two models exchanged": Row(
        exchanged(SHARD, "rollouts/other/main/toy/0001.parquet"),
        {"generate": 2, "grade": 2} | FINDINGS,
        {"toy/0001"},
    ),
    "a dataset's card emptied": Row(written("dataset/tiny/README.md"), {"draw": 1} | REPORT),
    "letters of a dataset's card": Row(
        written("dataset/tiny/README.md", lambda text: text.replace("a", "e", 1)),
        {"draw": 1} | REPORT,
    ),
    "a number in a dataset's JSON file": Row(
        written("dataset/tiny/dataset.json", lambda text: text.replace("2", "3", 1)),
        {"draw": 1} | REPORT,
    ),
    "a Croissant file edited": Row(
        written("dataset/other/croissant.json", lambda text: text + " "), {"draw": 1} | REPORT
    ),
    "a summary edited": Row(
        written("summary/other.txt", lambda text: "No. " + text), {"draw": 1} | REPORT
    ),
    "the list of exclusions edited": Row(
        written("exclusions.json", lambda text: text + " "), {"problems": 1} | FINDINGS
    ),
    "the report's page emptied": Row(written("report/index.html"), REPORT),
    "the report's page cut short": Row(cut("report/index.html"), REPORT),
    "the page of times edited": Row(
        written("report/throughput.html", lambda text: text + " "), REPORT
    ),
    "a figure deleted": Row(deleted("report/figures/tiny/confusion.svg"), REPORT),
    "a figure emptied": Row(written("report/figures/tiny/confusion.svg"), REPORT),
    "numbers behind a figure edited": Row(
        written("report/figures/tiny/confusion.csv", lambda text: text + "\n"), REPORT
    ),
    "a file of somebody else among the figures": Row(added("report/figures/mine.txt"), REPORT),
    "a file of somebody else in a dataset": Row(added("dataset/tiny/mine.txt"), NOTHING),
    "the cache of results with another digit": Row(flipped_digits("results/*"), NOTHING),
    "the cache of digests with other digits": Row(flipped_digits("digests/*"), NOTHING),
    "the cache of code with another digit": Row(flipped_digits("code.json"), NOTHING),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_a_change_plans_exactly_these_jobs(row: Row, finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    if row.before:
        row.before(place)
        place.accept_here()
    row.change(place)
    plan = place.planned if row.apart else place.planned_here
    planned = plan(*([row.target] if row.target else []))
    assert planned.jobs == row.jobs
    if row.shards is not None:
        assert planned.shards("rollouts") == row.shards


def test_an_edit_that_changes_no_result_can_be_accepted(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    code("cotsieve/answers/numbers.py", another_constant)(place)
    place.accept()
    assert place.planned().jobs == NOTHING
