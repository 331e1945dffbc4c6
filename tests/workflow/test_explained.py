"""`make explain`: what a dry run cannot say, and without a trace."""

import os
import re
import subprocess
from pathlib import Path

from changes import another_word
from place import Place
from running import files_under
from warm import warm_python

COST = re.compile(r" — ([\d,]+ (row|problem)s?)?(, )?(about \d+ (s|min))?$")
"""How many rows a line comes to, and how much time."""


def explained(place: Place) -> list[str]:
    done = subprocess.run(
        [warm_python(), "-m", "cotsieve", "explain", "study.yaml"],
        cwd=place.work,
        env=os.environ
        | {"COTSIEVE_CACHE": str(place.work / ".cotsieve"), "PYTHONPATH": str(place.checkout)},
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [COST.sub("", line) for line in done.stdout.splitlines()]


def test_every_planned_job_is_explained_and_nothing_is_changed(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    assert explained(place) == ["Nothing to be done."]

    place.change_study({"models": {"other": {"lora": {"alpha": 4.0}}}})
    place.edit(
        "checkout/cotsieve/findings/dataset/card.py", lambda text: text + "\nANOTHER_CONSTANT = 1\n"
    )
    (place.results / "dataset/tiny/dataset.json").unlink()
    before = files_under(place.results)
    assert explained(place) == [
        "generate ×3: model.lora.alpha: 2.0 → 4.0",
        "grade ×3: input is made again by generate",
        "merge: model.lora.alpha: 2.0 → 4.0; input is made again by generate, grade",
        "compare_graders: input is made again by merge",
        "judge: input is made again by merge",
        "draw ×1 (other): code: cotsieve/findings/dataset/card.py edited; "
        "input is made again by judge, merge",
        "draw ×1 (tiny): output missing: results/toy/dataset/tiny/dataset.json; "
        "code: cotsieve/findings/dataset/card.py edited",
        "report: input is made again by compare_graders, draw, judge, merge",
    ]
    assert files_under(place.results) == before


def test_edited_rows_are_counted(finished: Place, tmp_path: Path):
    """As long as the table of problems is from the run that made the results."""
    place = finished.copied_to(tmp_path)
    another_word(0)(place)
    place.change_study({"grading": {"grader": "codi"}})
    told = explained(place)
    assert "generate ×3: problems: 1 of 4 rows changed" in told
    assert any("grading.grader: numbers (default) → codi" in line for line in told)
    place.run("results/toy/problems.parquet")
    assert "generate ×3: problems: not the same 4 rows as before" in explained(place)


def test_reference_problems_that_move_are_named(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    another_word(2)(place)
    told = explained(place)
    assert sum("reference problems: toy_9 entered, toy_2 left" in line for line in told) >= 1


def test_bad_studies_are_told_without_a_traceback(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    place.change_study({"decoding": {"max_new_tokens": "many"}})
    done = subprocess.run(
        [warm_python(), "-m", "cotsieve", "explain", "study.yaml"],
        cwd=place.work,
        env=os.environ | {"PYTHONPATH": str(place.checkout)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 1
    assert "decoding.max_new_tokens" in done.stderr
    assert "Traceback" not in done.stderr
