"""Scored answers are those of the model reading each text alone."""

import pytest

from cotsieve.engine.loading import load_reasoning_model
from cotsieve.engine.slots import Sizes
from cotsieve.engine.written.rows import LeanRows, rounded
from cotsieve.engine.written.starts import Start
from cotsieve.interventions.places import placed_tokens
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.around.answer_scores import AnswerScorer
from cotsieve.study.settings.models import ReasoningModel
from cotsieve.study.settings.part import plain

FOLDER = "resources/models/tiny-reasoner"
DECODING = {"max_new_tokens": 6, "temperature": 1.0, "top_p": 0.95, "seed": 0}
QUESTION = "Nora collected 27 eggs. Then she loses 5 of the eggs. How many eggs are left?"
PROBLEM = Problem("p:1", "toy", 0, QUESTION, None, "22", 1, "2-step")
THOUGHT = "Let us see about it.\n27 eggs are there at first.\nSo 27 - 5 = 22.\n"


@pytest.fixture(scope="module")
def scored():
    settings = plain(ReasoningModel(family="reasoning", model=FOLDER))
    model = load_reasoning_model(settings, {"model": FOLDER}, DECODING, device="cpu", batch_rows=8)
    ids = model.given(QUESTION, THOUGHT)
    rows = [
        place._asdict() | {"problem_id": "p:1", "sample": 0, "sentence": n, "sentences": 3}
        for n, place in enumerate(placed_tokens(ids, model.text))
    ]
    scorer = AnswerScorer(model)
    return scorer, ids, rows, scorer.rows(PROBLEM, ids, rows)


def alone(model, thought, words) -> tuple[float, bool]:
    """Log-probability of words after a thought, one token after the other, nothing shared."""
    total, greedy = 0.0, True
    for place, word in enumerate(words):
        tokens = (*model.cut(QUESTION, thought, forced=True), *words[:place])
        rows = LeanRows(
            model.engine.decoder, model.engine.how.vocabulary, Sizes(1, rounded(len(tokens)))
        )
        scores = rows.alone(Start((0, 0), tokens), ())[0]
        total += scores.log_softmax(-1)[word].item()
        greedy = greedy and scores.argmax().item() == word
    return total, greedy


def test_every_form_is_scored_as_if_it_were_read_alone(scored):
    scorer, ids, rows, found = scored
    model = scorer.model
    words = model.plain("22}")
    starts = [*(row["first_token"] for row in rows), len(ids)]
    assert [row["altered"] is None for row in found] == [True, False, False]
    other = [model.plain(row["altered"]) if row["altered"] else [] for row in found]
    for n, row in enumerate(found):
        part, before = ids[starts[n] : starts[n + 1]], ids[: starts[n]]
        among = (*ids[: starts[0]], *(token for tokens in other[:n] for token in tokens))
        expected = {
            "log_p_before": before,
            "log_p_after": (*before, *part),
            "log_p_altered": (*before, *other[n]),
            "log_p_after_among_altered": (*among, *part),
            "log_p_altered_among_altered": (*among, *other[n]),
        }
        for column, thought in expected.items():
            log_p, greedy = alone(model, thought, words)
            assert row[column] == pytest.approx(log_p, abs=1e-4), (n, column)
            if column == "log_p_after":
                assert row["greedy_after"] == greedy
    assert found[0]["log_p_altered"] == found[0]["log_p_before"]
    assert found[2]["log_p_after"] > found[2]["log_p_altered"] + 1


def test_a_trace_that_does_not_fit_is_told(scored):
    scorer, ids, rows, _ = scored
    long = ids * (scorer.model.architecture.max_positions // len(ids) + 1)
    found = scorer.rows(PROBLEM, long, rows)
    assert {row["error"].partition(":")[0] for row in found} == {"too long"}
    assert {row["log_p_after"] for row in found} == {None}
