"""Which files the rules of sentences make, for models of each kind."""

import pytest
from studies import MINIMAL

from cotsieve.study.plan.anchored import Anchored
from cotsieve.study.settings.reading import read_study

OWN = {"family": "reasoning", "model": "folder", "decoding": {"temperature": 0.6, "samples": 9}}
STUDY = MINIMAL | {
    "models": {
        "own": OWN,
        "more": OWN | {"anchors_from": "published/more"},
        "old": {"anchors_from": "published/old"},
    },
    "sweeps": {"main": {"conditions": {"empty": {"reasoning": "empty"}}}},
    "sieve": {"sweep": "main", "ablation": "empty"},
    "anchors": {"models": ["own", "more"], "rollouts": 7, "forced": 3},
}
SHARDS = ["toy/0000", "toy/0001"]
FOLDER = "results/toy/anchors"


def anchored(**anchors) -> Anchored:
    study = STUDY | {"study": "toy", "anchors": STUDY["anchors"] | anchors}
    return Anchored(read_study(study), SHARDS)


def test_models_by_where_their_traces_come_from():
    found = anchored()
    assert (found.traced, found.completed, list(found.published)) == (["own"], ["more"], ["old"])
    assert found.models == ["own", "more", "old"]
    assert found.folders == {"old": "published/old", "more": "published/more"}


@pytest.mark.parametrize(
    ("model", "files"),
    [
        ("own", [f"{FOLDER}/own/outcomes/{shard}.parquet" for shard in SHARDS]),
        ("more", [f"{FOLDER}/more/outcomes/completed.parquet"]),
        ("old", [f"{FOLDER}/old/outcomes/published.parquet"]),
    ],
)
def test_files_of_a_kind(model, files):
    assert anchored().files("outcomes", model) == files


def test_tables_are_those_that_are_asked_for():
    own = f"{FOLDER}/own"
    assert anchored(score=True).tables("own") == [
        *(f"{own}.parquet", f"{own}-pairs.parquet", f"{own}-scores.parquet")
    ]
    assert anchored(pairs=0, score=True).tables("old") == [f"{FOLDER}/old.parquet"]
    assert anchored(labels="none").labels("own") == []
    assert anchored(labels="none").labels("old") == [f"{FOLDER}/old/labels.parquet"]


def test_kinds_and_what_decides_them():
    assert anchored().kinds == ["resample", "force"]
    assert anchored(forced=0).kinds == ["resample"]
    told = anchored(prefix="joined").decided_by("force")
    assert told == {"kind": "force", "prefix": "joined", "rollouts": 3}
    assert anchored().told("rollouts", given=True) == {"rollouts": 7, "given": True}


def test_the_grader_of_sentences_comes_before_the_usual_one_and_that_of_the_study():
    assert anchored().grading()["grader"] == "numbers"
    assert anchored().grading("thought-anchors")["grader"] == "thought-anchors"
    assert anchored(grader="math").grading("thought-anchors")["grader"] == "math"


def test_a_study_without_sentences_has_none():
    study = {key: value for key, value in STUDY.items() if key != "anchors"}
    found = Anchored(read_study(study | {"models": {"own": OWN}}), SHARDS)
    assert (found.models, found.folders, found.told("seed")) == ([], {}, {"seed": None})
