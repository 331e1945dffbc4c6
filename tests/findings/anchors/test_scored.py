"""Measures of scored answers, by hand."""

import math

import pyarrow as pa
import pytest

from cotsieve.findings.anchors.scored import score_rows


def row(number: int, *p: float, error: str | None = None) -> dict:
    names = ("before", "after", "altered", "after_among_altered", "altered_among_altered")
    return {
        "problem_id": "p", "sample": 0, "sentence": number, "sentences": 2, "answer": "4}",
        "altered": None, "greedy_before": False, "greedy_after": number == 1, "error": error,
        **{f"log_p_{name}": math.log(value) for name, value in zip(names, p, strict=True)},
    }  # fmt: skip


def test_a_sentence_is_thought_in_truth_where_altering_it_matters():
    first, second = score_rows(
        pa.Table.from_pylist([row(0, 0.1, 0.2, 0.3, 0.2, 0.2), row(1, 0.2, 0.8, 0.4, 0.5, 0.3)])
    )
    assert second["gain_scored"] == pytest.approx(0.6)
    assert second["gain_unaltered"] == pytest.approx(0.4)
    assert second["true_thinking_score"] == pytest.approx((0.4 + 0.2) / 2)
    assert first["true_thinking_score"] == pytest.approx((0.1 + 0) / 2)
    assert second["log_gain_scored"] == pytest.approx(math.log(4))
    # 0.1, 0.2, 0.8 at 0, 1/2 and 1; greedy only at the end
    assert first["area_over_p"] == second["area_over_p"] == pytest.approx(1 - (0.15 + 0.5) / 2)
    assert first["area_over_greedy"] == pytest.approx(0.75)


def test_what_could_not_be_scored_stays_undefined():
    found = score_rows(pa.Table.from_pylist([row(0, 1, 1, 1, 1, 1, error="too long: 9 tokens")]))
    assert found[0]["error"] == "too long: 9 tokens"
    assert found[0]["p_after"] is None and found[0]["area_over_p"] is None
