import numpy as np
import pyarrow as pa
import pytest
from anchor_cases import outcome

from cotsieve.findings.anchors.anchor_table import ANCHORS, SENTENCES, anchors
from cotsieve.findings.anchors.choice import chosen_traces, sentence_rows
from cotsieve.findings.anchors.importance import Measuring
from cotsieve.findings.anchors.likeness import LIKENESS
from cotsieve.findings.anchors.pairs import PAIRS
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.places import placed


def tables(answers: list[list[str]], cosine: float = 0.5) -> tuple[pa.Table, pa.Table, pa.Table]:
    rows = [outcome(s, n, a) for s, some in enumerate(answers) for n, a in enumerate(some)]
    named = ("problem_id", "sample", "sentence", "rollout")
    alike = [{name: row[name] for name in named} | {"cosine": cosine, "meaning": 0} for row in rows]
    texts = [
        {"problem_id": "p", "sample": 0, "sentence": n, "sentences": len(answers), "text": f"s{n}"}
        for n in range(len(answers))
    ]
    return (
        pa.Table.from_pylist(texts, schema=SENTENCES),
        pa.Table.from_pylist(rows, schema=OUTCOMES),
        pa.Table.from_pylist(alike, schema=LIKENESS),
    )


def test_a_row_per_sentence_with_nulls_where_nothing_is_known():
    sentences, outcomes, likeness = tables([["1"] * 6, ["2"] * 6, ["1"] * 6])
    pairs = [{"problem_id": "p", "sample": 0, "source": 1, "target": 1, "match_without": 0.25}]
    found = anchors(
        sentences,
        [outcomes],
        likeness,
        Measuring(draws=50),
        pa.Table.from_pylist(pairs, schema=PAIRS),
    )
    assert found.schema == ANCHORS
    first, middle, last = found.to_pylist()
    assert (first["gain_resampled"], middle["gain_resampled"]) == (-1, 1)
    assert first["resampling_importance_accuracy"] == -1
    assert first["counterfactual_importance_accuracy"] == 1  # the published sign is the other one
    assert middle["resilience"] == 0.25
    assert last["gain_resampled"] is last["until"] is last["resampling_importance_kl"] is None
    assert last["accuracy_without"] == 1


def test_likeness_of_other_rollouts_is_refused():
    sentences, outcomes, likeness = tables([["1", "2"], ["1", "2"]])
    with pytest.raises(BadInput, match="not that of the rollouts"):
        anchors(sentences, [outcomes], likeness.slice(1), Measuring())


def test_many_rollouts_are_measured_in_little_time():
    """A tenth of the published set for 40 traces; all of it takes ten times as long."""
    draw = np.random.default_rng(0)
    answers = [draw.integers(1, 9, 100).astype(str).tolist() for _ in range(576)]
    sentences, outcomes, likeness = tables(answers)
    found = anchors(sentences, [outcomes], likeness, Measuring())
    assert len(found) == 576
    assert 0.02 < np.mean(np.array(found["p_value"].to_pylist()[:-1]) <= 0.05) < 0.1


def trace(problem: str, verdict: str, sample: int = 0, **more: object) -> dict:
    return {
        "problem_id": problem,
        "sample": sample,
        "verdict": verdict,
        "prediction": "1",
        "finish_reason": "stop",
        "answer_text": "1",
    } | more


def test_traces_are_chosen_by_how_often_the_problem_is_solved():
    samples = {
        "never": [trace("never", "incorrect", n) for n in range(4)],
        "cut": [trace("cut", "correct", finish_reason="length"), trace("cut", "incorrect", 1)],
        "half": [trace("half", "incorrect"), trace("half", "correct", 1)],
        "more": [trace("more", "correct"), trace("more", "incorrect", 1)],
    }
    text = "First we look at it. Then we add up all of it. So it is one."
    choose = {"accuracy": [0.25, 0.75], "problems": None, "most": 3}

    def named(**more: object) -> list[tuple[str, int]]:
        found = chosen_traces(samples, lambda row: placed(text), **{**choose, **more})
        return [(item.row["problem_id"], item.row["sample"]) for item in found]

    assert named(base="correct") == [("half", 1), ("more", 0)]
    assert named(base="both") == [("half", 1), ("half", 0), ("more", 0), ("more", 1)]
    assert named(base="correct", problems=1) == [("half", 1)]
    assert named(base="correct", most=2) == []
    chosen = chosen_traces(samples, lambda row: placed(text), base="correct", **choose)
    rows = list(sentence_rows(chosen[:1], {"half": "1"}, every=2))
    assert [row["chosen"] for row in rows] == [True, False, True]
    assert [text[row["start"] : row["end"]] for row in rows] == [row["text"] for row in rows]
