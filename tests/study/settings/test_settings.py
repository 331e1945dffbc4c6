"""Every mistake in a study file is told with its place, what was found, and how to mend it."""

import pytest
from studies import MINIMAL, REMOVED, changed

from cotsieve.ground.faults import BadInput
from cotsieve.study.settings import reading
from cotsieve.study.settings.file import refuse_repeated_keys
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.reading import read_study

COMMIT = "e53f048856ff4f594e959d75785d2c2d37b678ee"
HUB = {"repo": "openai/gsm8k", "split": "test", "revision": COMMIT, "rows": 3}
ABLATION = "sweeps main conditions zero-middle"
GRID = {"operation": ["zero"], "layer": ["middle"], "thoughts": ["all"]}
IMPORTED = {"family": "imported", "results": "done.json"}

# where to write what → the path, the value and the mend that the message must tell
WRONG = [
    # unknown and missing keys
    ("sourses", {}, "config: sourses", "unknown key", "Did you mean 'sources'?"),
    ("engine batch_row", 3, "engine.batch_row", "found: 3", "Did you mean 'batch_rows'?"),
    ("sources toy columns", {"qestion": "q"}, "sources.toy.columns.qestion", "'q'", "'question'?"),
    ("grading zzz", 1, "grading.zzz", "unknown key", "Remove it"),
    ("sources", REMOVED, "config: sources", "is missing", "Add it"),
    ("models tiny lora", REMOVED, "models.tiny.lora", "is missing", "Add it"),
    ("models tiny", {}, "models.tiny.checkpoint", "is missing", "Add it"),
    ("models", {"codi": {"base": "b"}}, "models.codi.checkpoint", "is missing", "Add it"),
    # names that become paths
    ("study", "a/b", "config: study", "'a/b'", "use letters, digits"),
    ("study", "..", "config: study", "'..'", "use letters, digits"),
    ("study", "line\nbreak", "config: study", "line", "use letters, digits"),
    ("sources", {"../up": {"path": "a"}}, "sources.../up", "'../up'", "use letters, digits"),
    ("models", {"a b": {"checkpoint": "a"}}, "models.a b", "'a b'", "use letters, digits"),
    ("sweeps main conditions", {"a\\b": {}}, "conditions.a\\b", "a\\\\b", "use letters, digits"),
    # wrong types and values
    ("study", 7, "config: study", "found: 7", "Correct the value"),
    ("sources", [1], "config: sources", "no mapping (found: [1])", "Write `key: value`"),
    ("sources", {}, "config: sources", "is empty", "at least one"),
    ("sources toy", None, "sources.toy", "found: None", "Write `key: value`"),
    ("select limit", 0, "select.limit", "found: 0", "Correct the value"),
    ("select limit", "10", "select.limit", "found: '10'", "without quotes"),
    ("grading tolerance", "1e-3", "grading.tolerance", "'1e-3'", "0.001"),
    ("grading tolerance", float("nan"), "grading.tolerance", "found: nan", "Correct the value"),
    ("decoding max_new_tokens", True, "decoding.max_new_tokens", "True", "Correct the value"),
    ("models tiny", 3, "models.tiny", "found: 3", "Write `key: value`"),
    ("models tiny", {"family": "codi", "model": "m"}, "tiny.model", "unknown key", "other parts"),
    ("models tiny family", "codo", "models.tiny.family", "'codo'", "'imported'"),
    ("models tiny revision", "main", "models.tiny.revision", "'main'", "40-digit commit"),
    ("sources toy hub", HUB, "sources.toy", "either path or hub", "Correct the value"),
    ("sources toy path", REMOVED, "sources.toy", "either path or hub", "Correct the value"),
    ("sources toy", {"hub": HUB | {"revision": "v1"}}, "hub.revision", "'v1'", "40-digit commit"),
    ("sources toy format", "columns", "sources.toy", "needs columns.question", "Correct"),
    ("draw targets 2-step", -1, "draw.targets.2-step", "found: -1", "Correct the value"),
    ("draw targets 2-steps", 5, "draw.targets", "no '2-steps'", "2-step, 3-step, 4-step"),
    # conditions
    (f"{ABLATION} operation", "zeros", f"{ABLATION} operation", "'zeros'", "Correct the value"),
    (f"{ABLATION} layer", "midle", f"{ABLATION} layer", "'midle'", "early, middle or late"),
    (f"{ABLATION} thoughts", "al", f"{ABLATION} thoughts", "'al'", "{first: k}"),
    (f"{ABLATION} thoughts", {"first": 0}, f"{ABLATION} thoughts", "0", "{first: k}"),
    (f"{ABLATION} thoughts", [6], f"{ABLATION} thoughts", "[6]", "thoughts 0 to 5"),
    (f"{ABLATION} thoughts", [-1], f"{ABLATION} thoughts", "[-1]", "thoughts 0 to 5"),
    (f"{ABLATION} thoughts", [], f"{ABLATION} thoughts", "[]", "thoughts 0 to 5"),
    (f"{ABLATION} thoughts", {"first": 7}, f"{ABLATION} thoughts", "7", "thoughts 0 to 5"),
    (f"{ABLATION} scale", 0.0, f"{ABLATION} scale", "found: 0.0", "Correct the value"),
    ("sweeps main grid", GRID | {"layer": ["x"]}, "grid.layer.0", "'x'", "early, middle or late"),
    ("sweeps main grid", GRID | {"thoughts": [[9]]}, "sweeps.main.grid", "[9]", "0 to 5"),
    ("sweeps main conditions zero-middle-all", {"operation": "zero", "layer": 1},
     "conditions.zero-middle-all", "same name", "another name"),
    (f"{ABLATION} reasoning", "empty", "zero-middle.operation", "unknown key", "other parts"),
    ("sweeps main conditions other", {"reasoning": "emty"},
     "conditions.other.reasoning", "'emty'", "Correct the value"),
    ("sweeps main conditions baseline", {"operation": "zero", "layer": 1},
     "conditions.baseline", "cannot be redefined", "another name"),
    ("sweeps empty", {}, "sweeps.empty", "has no conditions", "Add conditions or a grid"),
    ("sweeps", {}, "config: sweeps", "is empty", "at least one"),
    # names that point nowhere
    ("sieve sweep", "mian", "sieve.sweep", "no 'mian'", "Use one of: main"),
    ("sieve ablation", "zero", "sieve.ablation", "no 'zero'", "Use one of: zero-middle"),
    ("sweeps main models", ["x"], "sweeps.main.models", "no 'x'", "Use one of: tiny"),
    ("sweeps main reference", {"source": "x"}, "reference.source", "no 'x'", "Use one of: toy"),
    # what does not fit together
    ("strata", {"by": "source"}, "strata.by", "sorted by steps", "Use steps"),
    # models that would be run for nothing
    ("models other", {"checkpoint": "c", "base": "b", "lora": {"alpha": 1}},
     "sweeps.main.models", "'other' does not take part", "Add it there"),
    ("models old", IMPORTED | {"ablation": "zero-late"},
     "models.old.ablation", "'zero-late' is not", "Write 'zero-middle'"),
]  # fmt: skip


def before(path: str) -> dict:
    """The sound study that a case of WRONG changes."""
    if path.endswith("zero-middle-all"):
        return changed("sweeps main grid", GRID)
    if path == "strata":
        return changed("existing", {"path": "known.json"})
    return changed("sweeps main models", ["tiny"]) if path == "models other" else MINIMAL


@pytest.mark.parametrize(("path", "value", "where", "what", "mend"), WRONG)
def test_a_mistake_is_told_with_place_value_and_mend(path, value, where, what, mend):
    with pytest.raises(BadInput) as caught:
        read_study(changed(path, value, before(path)))
    fitting = [item for item in caught.value.findings if where.replace(" ", ".") in nodot(item)]
    assert fitting, str(caught.value)
    assert what in fitting[0].what or what in fitting[0].where, fitting[0]
    assert mend in fitting[0].mend, fitting[0]
    assert "pydantic" not in str(caught.value)


def test_what_follows_from_a_mistake_is_not_told_as_another(monkeypatch):
    """The studies fit together, so nothing across their keys is wrong but by the wrong value."""
    ways = (reading.repaired, lambda *given: None)
    for path, value, *_ in WRONG:
        told = []
        for way in ways:
            monkeypatch.setattr(reading, "repaired", way)
            with pytest.raises(BadInput) as caught:
                read_study(changed(path, value, before(path)))
            told.append(caught.value.findings)
        assert told[0] == told[1], path


def nodot(finding) -> str:
    return finding.where.replace(" ", ".")


def test_a_value_of_no_possible_kind_is_one_finding():
    with pytest.raises(BadInput) as caught:
        read_study(changed(f"{ABLATION} layer", [1]))
    assert len(caught.value.findings) == 1


def test_all_mistakes_are_told_at_once():
    study = changed("engine batch_row", 3)
    for path, value in (("study", "a/b"), ("select limit", 0), ("grading tolerance", -1.0)):
        study = changed(path, value, study)
    with pytest.raises(BadInput) as caught:
        read_study(study)
    assert len(caught.value.findings) == 4

    study = changed("sieve sweep", "mian")
    study = changed("sweeps main models", ["tiny", "x"], study)
    study = changed("draw targets six", 1, study)
    with pytest.raises(BadInput) as caught:
        read_study(study)
    assert len(caught.value.findings) == 3


TOGETHER = {
    # a wrong value, and what is wrong across keys → whether both are told at once
    "a typo": ("engine batch_row", 3, ["sieve.ablation", "draw"]),
    "a value": ("models tiny precision", "fp8", ["sieve.ablation", "draw"]),
    "a missing value": ("models tiny lora", REMOVED, ["sieve.ablation", "draw"]),
    "a missing part": ("sources", REMOVED, ["sieve.ablation", "draw"]),
    "a part that may say otherwise": ("models tiny", 3, ["draw"]),
    "a condition": (f"{ABLATION} layer", "midle", ["sieve.ablation", "draw"]),
    "a condition as a whole": (f"{ABLATION} layer", REMOVED, ["sieve.ablation", "draw"]),
    "an item of a list": ("select exclude", [{"path": 3}], ["sieve.ablation", "draw"]),
    "a grid, which makes conditions": ("sweeps main grid", GRID | {"layer": ["x"]}, ["draw"]),
    "the same part": ("draw totl", 3, ["sieve.ablation"]),
    "a name, which others may mean": ("sweeps a/b", {"conditions": {}}, []),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_what_is_wrong_across_keys_is_told_with_wrong_values(case):
    path, value, across = TOGETHER[case]
    study = changed("sieve ablation", "zero-midle")
    study = changed("draw total", 3, study)
    with pytest.raises(BadInput) as caught:
        read_study(study)
    places = {"config: sieve.ablation", "config: draw"}
    assert {item.where for item in caught.value.findings} == places
    with pytest.raises(BadInput) as caught:
        read_study(changed(path, value, study))
    told = [item.where.removeprefix("config: ") for item in caught.value.findings]
    assert path.replace(" ", ".").startswith(told[0]) or told[0].startswith(path.replace(" ", "."))
    assert told[1:] == across


def test_defaults_are_filled_in_and_the_family_may_be_left_out():
    study = read_study(MINIMAL)
    assert study.models["tiny"].family == "codi"
    assert study.models["tiny"].thoughts == 6
    assert study.sweeps["main"].conditions["zero-middle"].thoughts == "all"
    assert study.grading.grader == "numbers"


FORGOTTEN = {
    # a model that names no family → the family it means, and what else is wrong with it
    "reasoning": ({"model": "m"}, []),
    "reasoning, more": ({"model": "m", "traces": "own", "style": {}, "precision": "bf16"}, []),
    "reasoning, wrong": ({"model": "m", "lora": {"alpha": 1}, "style": {"open": 1}},
                         ["lora", "style.open"]),
    "reasoning, without a model": ({"traces": "given", "style": {}}, ["model"]),
    "imported": ({"results": "r.json", "ablation": "zero-middle"}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGOTTEN)
def test_a_forgotten_family_is_told_with_the_mistakes_of_that_family(case):
    model, more = FORGOTTEN[case]
    family = case.partition(",")[0]
    with pytest.raises(BadInput) as caught:
        read_study(changed("models r1", model))
    told = [item for item in caught.value.findings if item.where.startswith("config: models.r1.")]
    assert told[0].where == "config: models.r1.family" and told[0].mend == f"Add family: {family}."
    assert sorted(item.where for item in told[1:]) == [f"config: models.r1.{key}" for key in more]


def test_a_grid_makes_every_combination_and_names_it():
    grid = {"operation": ["zero", "mean"], "layer": ["early", 2], "thoughts": [[0, 5], "all"]}
    sweep = read_study(changed("sweeps extra", {"grid": grid})).sweeps["extra"]
    conditions = sweep.all_conditions()
    assert list(conditions)[:3] == ["zero-early-at0+5", "zero-early-all", "zero-2-at0+5"]
    assert len(conditions) == 8
    assert conditions["mean-2-all"]["operation"] == "mean"
    assert conditions["mean-2-all"]["layer"] == 2


def test_keys_that_start_with_an_underscore_hold_anchors():
    assert read_study(changed("_shared", {"anything": 1})) == read_study(MINIMAL)


def test_plain_values_do_not_depend_on_the_order_of_keys():
    backwards = dict(reversed(MINIMAL.items()))
    assert list(plain(read_study(backwards))) == list(plain(read_study(MINIMAL)))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("draw:\n  targets: {2-step: 1, 2-step: 2}\n", "draw.targets.2-step"),
        ("a: 1\nb: 2\na: 3\n", "a"),
        ("list:\n  - {x: 1, x: 2}\n", "list.0.x"),
        ('{"a": {"b": 1, "b": 2}}', "a.b"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text, where, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match="twice, on lines") as caught:
        refuse_repeated_keys(file)
    assert caught.value.findings[0].where == f"{file}: {where}"


def test_anchors_and_merged_keys_are_no_repetition(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {<<: *a}\n1: a\n'1': b\n")
    refuse_repeated_keys(file)
