"""What conditions are called on the page."""

from itertools import combinations

import pytest

from cotsieve.report.facts.wording import described
from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.part import decided

PATCH = {"operation": "patch", "layer": 3}

TOLD = [
    (None, "no intervention"),
    ({"operation": "zero", "layer": 3}, "all thoughts set to zero, after block 3"),
    (
        {"operation": "noise", "layer": "middle", "scale": 0.1},
        "all thoughts with noise of scale 0.1 added, after the middle block",
    ),
    ({"reasoning": "truncate", "sentences": 1}, "first sentence of the reasoning"),
    ({"reasoning": "truncate", "sentences": 2}, "first 2 sentences of the reasoning"),
    ({"reasoning": "truncate", "fraction": 0.5}, "first 50% of the reasoning"),
    (
        {"reasoning": "truncate", "sentences_fraction": 0.5},
        "first 50% of the sentences of the reasoning",
    ),
    ({"attention": "blocked"}, "reasoning hidden from the answer"),
]

FIELDS = {
    "layer": ["early", 3, 4, 0.5, 0.1234567, 0.1234568],
    "component": ["resid_pre", "resid_post"],
    "thoughts": ["all", {"first": 2}, [0], [0, 2]],
    "rest": ["free", "frozen"],
    "scope": ["latent", "seed"],
    "read": ["same", "input"],
    "scale": [0.1, 0.10000001, 1.0, 2.0],
    "units": ["relative", "absolute"],
    "seed": [0, 1],
}
BEFORE_PROJECTION = {
    "replace": {"token": [" 7", "7"], "strength": [3.0, 5.0], "where": ["all", "numbers"]},
    "project": {"top": [1, 5], "rescale": [False, True]},
    "discretize": {},
    "discretize_norm": {},
    "remove": {"where": ["all", "numbers"]},
}


def one_field_apart(definition: dict, fields: dict) -> list[dict]:
    return [definition | {field: value} for field, values in fields.items() for value in values]


def all_kinds() -> list[dict | None]:
    """Definitions as the rules pass them on, each once."""
    states = [
        definition
        for operation in ("zero", "mean", "noise", "resample")
        for definition in one_field_apart({"operation": operation, "layer": 3}, FIELDS)
    ]
    for operation, fields in BEFORE_PROJECTION.items():
        base = {"operation": operation, "component": "pre_projection"}
        base |= {"token": "x"} if operation == "replace" else {}
        states += [base, *one_field_apart(base, fields)]
    kinds = TextCondition.model_fields["reasoning"].annotation.__args__
    texts = [{"reasoning": kind} for kind in kinds if kind != "truncate"]
    texts += [{"reasoning": "swap", "seed": 1}, {"reasoning": "filler", "filler": "neutral"}]
    texts += [{"reasoning": "filler", "seed": 1}, {"reasoning": "empty", "filler": "neutral"}]
    for way, values in {
        "fraction": [0.0, 0.5, 0.123, 0.124, 1.0],
        "sentences_fraction": [0.0, 0.5, 0.505, 1.0],
        "sentences": [0, 1, 2],
    }.items():
        texts += [{"reasoning": "truncate", way: value} for value in values]
    texts += [text | {"answer": "forced"} for text in texts]
    texts += [{"attention": "blocked"}, {"attention": "blocked", "answer": "forced"}]
    made = [decided(Condition(**what)) for what in states]
    made += [decided(TextCondition(**what)) for what in texts]
    made += [PATCH | {"activations_sha256": digest * 32} for digest in ("ab", "cd")]
    made += [PATCH]
    return [what for place, what in enumerate(made) if what not in made[:place]] + [None]


@pytest.mark.parametrize(("definition", "words"), TOLD)
def test_a_condition_is_told_in_words(definition, words):
    assert described(definition) == words


def test_conditions_that_differ_are_never_described_by_the_same_words():
    told = [(described(what), what) for what in all_kinds()]
    same = [(one, two) for one, two in combinations(told, 2) if one[0] == two[0]]
    assert not same
    assert not [words for words, _ in told if "None" in words or "{" in words]


def test_a_file_is_told_by_its_content():
    told = described(PATCH | {"activations_sha256": "ab" * 32})
    assert told == "all thoughts patched with the activations of file abababab, after block 3"
