import numpy as np
import pytest
from anchor_cases import Golden, made_up

from cotsieve.findings.anchors.chance import (
    bootstrap_shares,
    false_discovery,
    generator,
    interval,
    permutation_p,
)
from cotsieve.findings.anchors.divergence import jensen_shannon, total_variation
from cotsieve.findings.anchors.importance import Measuring, importance
from cotsieve.findings.anchors.trace_rollouts import FORCED, RESAMPLED

HOW = Measuring(draws=400, least_dissimilar=1)


def test_above_zero_the_sentence_helps():
    """Without sentence 0 one in four is right, with it three in four."""
    rollouts = made_up(["1"] * 5 + ["2"] * 15, ["1"] * 15 + ["2"] * 5, ["1"] * 20)
    found = importance(("p", 0), rollouts, None, HOW)
    assert found["gain_resampled"][:2] == pytest.approx([0.5, 0.25])
    assert found["gain_counterfactual"][0] == pytest.approx(0.5)
    assert 0 < found["gain_resampled_low"][0] < 0.5 < found["gain_resampled_high"][0]
    assert np.isnan(found["gain_resampled"][2])
    assert np.isnan(found["gain_forced"]).all()
    assert found["p_value"][0] < 0.02
    assert found["until"].tolist() == [1, 2, -1]


def test_signs_of_the_golden_trace(shared):
    golden = Golden(shared)
    found = importance(("p", 0), golden.rollouts(RESAMPLED), golden.rollouts(FORCED), HOW)
    accuracy = found["accuracy_without"]
    np.testing.assert_allclose(found["gain_resampled"][:-1], np.diff(accuracy))
    assert found["errors"].tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert found["empty"].tolist() == [0, 0, 1, 1, 0, 0, 0]


def test_no_answer_is_an_answer_of_its_own():
    found = importance(("p", 0), made_up(["1", "", ""], ["1", "1", "1"]), None, HOW)
    assert found["accuracy_without"][0] == pytest.approx(1 / 3)
    assert found["shift_resampled_tv"][0] == pytest.approx(2 / 3)


def test_too_few_other_sentences_are_not_measured():
    few = Measuring(least_dissimilar=4)
    found = importance(("p", 0), made_up(["1", "2", "1"], ["1"]), None, few)
    assert np.isnan(found["gain_counterfactual"][0])
    assert found["dissimilar"][0] == 3


def test_a_trace_is_measured_the_same_whatever_stands_beside_it():
    rollouts = made_up(["1", "2", "2"], ["1", "1", "2"])
    one, other = (importance(("p", 0), rollouts, None, HOW) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_the_permutation_test_keeps_its_level():
    draw = np.random.default_rng(3)
    shares = np.array([0.5, 0.3, 0.2])
    p_values = [
        permutation_p(draw.multinomial(60, shares), draw.multinomial(60, shares), 200, draw)
        for _ in range(300)
    ]
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09
    assert permutation_p(np.array([40, 0]), np.array([0, 40]), 200, draw) == pytest.approx(1 / 201)


def test_the_interval_of_a_share_holds_it():
    low, high = interval(bootstrap_shares([30], [100], 2000, generator("x")))
    assert (low[0], high[0]) == pytest.approx((0.21, 0.39), abs=0.02)
    assert np.isnan(interval(bootstrap_shares([0], [0], 10, generator("x")))[0]).all()


def test_false_discovery_as_in_the_paper_of_benjamini_and_hochberg():
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324,
                0.4262, 0.5719, 0.6528, 0.759, 1.0]  # fmt: skip
    adjusted = false_discovery([*p_values, np.nan])
    assert (adjusted[:-1] <= 0.05).sum() == 4
    assert np.isnan(adjusted[-1])
    assert (np.diff(adjusted[:-1]) >= 0).all()


def test_bounded_divergences():
    apart, same = ([[4, 0]], [[0, 9]]), ([[2, 2]], [[5, 5]])
    assert jensen_shannon(*apart)[0] == pytest.approx(np.log(2))
    assert total_variation(*apart)[0] == 1
    assert jensen_shannon(*same)[0] == total_variation(*same)[0] == 0
    assert np.isnan(jensen_shannon([[0, 0]], [[1, 0]])[0])
