"""What is written out for readers is what the study means, key by key."""

import pytest
from studies import MINIMAL, changed

from cotsieve.study.jobs.completed import ELSEWHERE, completed
from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.part import decided, plain
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.study import Study

WORDS = {"family": "reasoning", "model": "folder", "style": {"prompt": "chat"}}
FILES = ("checkpoint", "base", "model")
"""In place of where these lie stands what they hold."""


def origin_of(study: Study) -> dict:
    """As the tables keep it: only what is not the default."""
    model = decided(study.models["tiny"])
    for name in ELSEWHERE:
        model.pop(name, None)
    held = {name: {"weights": "0" * 64} for name in FILES if name in model}
    return {
        "model": model | held,
        "conditions": {"main": {"baseline": None, **study.sweeps["main"].all_conditions()}},
        "decoding": decided(study.decoding),
        "grading": decided(study.grading),
        "engine": {"a.py": "0"},
    }


STUDIES = {
    "nothing said": MINIMAL,
    "much said": changed(
        "models tiny",
        MINIMAL["models"]["tiny"] | {"thoughts": 3, "prompt_style": "seed", "precision": "bf16"},
        changed("grading", {"grader": "codi"}, changed("decoding", {"samples": 1, "seed": 3})),
    ),
    "words": changed(
        "models tiny",
        WORDS,
        changed("sweeps main conditions zero-middle", {"reasoning": "keep", "answer": "forced"}),
    ),
}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_setting_is_written_out_as_the_study_has_it(study):
    study = read_study(study)
    told = completed(origin_of(study))
    assert told["decoding"] == plain(study.decoding)
    assert told["grading"] == plain(study.grading)
    model = {name: what for name, what in plain(study.models["tiny"]).items() if name not in FILES}
    for name, value in model.items():
        if name not in (*ELSEWHERE, "collapse_spaces"):
            assert told["model"][name] == value, name
    assert told["engine"] == {"a.py": "0"}


@pytest.mark.parametrize(("style", "collapsed"), [("codi-eval", True), ("seed", False)])
def test_a_default_that_follows_from_another_setting_is_told_as_it_is(style, collapsed):
    study = read_study(changed("models tiny prompt_style", style))
    assert completed(origin_of(study))["model"]["collapse_spaces"] is collapsed


@pytest.mark.parametrize(
    ("study", "kind", "part"),
    [("nothing said", "activations", Condition), ("words", "reasoning", TextCondition)],
)
def test_what_conditions_leave_out_stands_once(study, kind, part):
    told = completed(origin_of(read_study(STUDIES[study])))
    known = {
        name: field.default
        for name, field in part.model_fields.items()
        if not field.is_required() and field.default is not None
    }
    assert told["conditions otherwise"] == {kind: known}
    assert told["conditions"]["main"]["baseline"] is None


def test_a_file_of_activations_is_told_by_its_content_alone():
    patch = {
        "operation": "patch",
        "layer": 1,
        "activations": "/home/me/a",
        "activations_sha256": "f",
    }
    told = completed({"conditions": {"main": {"patch": patch}}})
    assert told["conditions"]["main"]["patch"] == {
        "operation": "patch", "layer": 1, "activations_sha256": "f",
    }  # fmt: skip
