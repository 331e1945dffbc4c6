import json
from dataclasses import replace

import pytest

from cotsieve.engine.loading import load_reasoning_model
from cotsieve.interventions.places import placed_tokens
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.around.resampling import resample
from cotsieve.rollouts.around.sentence_units import sentences_of
from cotsieve.rollouts.recipe import Recipe
from cotsieve.study.settings.models import ReasoningModel
from cotsieve.study.settings.part import plain

FOLDER = "resources/models/tiny-reasoner"
DECODING = {"max_new_tokens": 6, "temperature": 1.0, "top_p": 0.95, "seed": 0}
QUESTION = "Nora collected 27 eggs. Then she loses 5 of the eggs. How many eggs are left?"
PROBLEM = Problem("p:1", "toy", 0, QUESTION, None, "22", 1, "2-step")


@pytest.fixture(scope="module")
def model():
    settings = plain(ReasoningModel(family="reasoning", model=FOLDER))
    files = {"model": FOLDER}
    return load_reasoning_model(settings, files, DECODING, device="cpu", batch_rows=1024)


@pytest.mark.parametrize("kind", ["default", "forced_answer"])
def test_the_published_prompts(model, kind, shared):
    style = replace(
        model.style,
        prompt="thought-anchors",
        forced_answer="\n\nTherefore, the final answers is \\boxed{",
    )
    asking = replace(model, style=style)
    cases = json.loads((shared / "golden/thought_anchors/prefix_cases.json").read_text())["prefix"]
    for case in cases:
        for asked in case["requests"]:
            if asked["rollout_type"] != kind:
                continue
            before = asked["prefix_without_chunk"]
            ids = asking.given(case["problem"], before) if before else ()
            read = (
                (*asking.opened(case["problem"]), *ids)
                if kind == "default"
                else asking.cut(case["problem"], ids, forced=True)
            )
            assert model.text(read) == asked["prompt"]


def trace_of(model, count: int, form: str = "as-written"):
    """A trace of so many sentences: its tokens, its rows of the table of sentences, and units."""
    thought = "".join(f"That leaves {60 + n} - 5 = {55 + n}.\n" for n in range(count))
    ids = model.given(QUESTION, thought)
    rows = [
        place._asdict() | {"sentence": number, "sample": 0, "chosen": True}
        for number, place in enumerate(placed_tokens(ids, model.text))
    ]
    return ids, rows, sentences_of(PROBLEM, rows, form, ids)


def rollouts(model, sentences, count: int, kind: str = "resample", batch_rows: int = 1024):
    recipe = Recipe({kind: {"anchors": kind}}, {"decoding": DECODING}, None)
    wanted = {sentence: [(kind, number) for number in range(count)] for sentence in sentences}
    model.engine.batch_rows, model.engine.tokens_read = batch_rows, 0
    rows = [row for some in resample(model, recipe, wanted) for row in some]
    assert {row["finish_reason"] for row in rows} <= {"stop", "length"}
    return {(row["problem_id"], row["sample"]): row for row in rows}


@pytest.mark.parametrize("batch_rows", [1024, 64])
def test_a_trace_is_read_once_for_all_rollouts_of_its_sentences(model, batch_rows):
    """However few of them are under way at a time."""
    ids, _, sentences = trace_of(model, 30)
    found = rollouts(model, sentences, 10, batch_rows=batch_rows)
    assert len(found) == 300
    length = len(model.opened(QUESTION)) + len(ids)
    tails = len(found)  # a token of its own each
    assert model.engine.tokens_read <= 1.2 * length + tails


def test_rollouts_depend_on_nothing_but_their_sentence(model):
    _, _, sentences = trace_of(model, 4)
    together = rollouts(model, sentences, 3)
    alone = rollouts(model, sentences[2:3], 2, batch_rows=1)
    for key, row in alone.items():
        assert row["token_ids"] == together[key]["token_ids"]
    assert len({row["text"] for row in together.values()}) > 3


def test_forced_answers_follow_the_words_that_force_them(model):
    _, _, sentences = trace_of(model, 3)
    for row in rollouts(model, sentences, 2, "force").values():
        assert row["answer_text"] == model.style.forced_answer + row["text"]


@pytest.mark.parametrize("form", ["as-written", "joined", "reference"])
def test_what_is_read_before_a_sentence(model, form):
    ids, rows, sentences = trace_of(model, 3, form)
    if form == "as-written":
        assert sentences[2].before == tuple(ids[: rows[2]["first_token"]])
        assert model.text(sentences[2].before).endswith("= 56.\n")
    else:
        assert sentences[2].text == f"{rows[0]['text']} {rows[1]['text']}"
    assert len({sentence.unit.question for sentence in sentences}) == 3
