"""Sampling must draw from the distribution that was asked for, from the row's own numbers."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from cotsieve.engine.sampling import Nucleus, greedy, stream_seed

VOCABULARY = 40


def scores(seed: int = 0, rows: int = 1) -> torch.Tensor:
    return 2 * torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def library_chances(scores: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    warped = TemperatureLogitsWarper(temperature)(None, scores)
    return TopPLogitsWarper(top_p)(None, warped).double().softmax(-1)


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(0.6, 0.95), (1.0, 1.0), (1.3, 0.5), (0.7, 0.01)]
)
def test_the_distribution_is_the_librarys(temperature, top_p):
    count = 4000
    row = scores(seed=int(10 * temperature))
    draws = np.random.default_rng(7).random(count)
    picked = Nucleus(temperature, top_p).pick(row.expand(count, -1), torch.from_numpy(draws))
    expected = library_chances(row, temperature, top_p)[0].numpy()
    seen = np.bincount(picked.tokens, minlength=VOCABULARY)
    assert not seen[expected == 0].any()
    frequent = expected * count >= 5
    rest = [seen[~frequent].sum()], [expected[~frequent].sum() * count]
    f_obs, f_exp = (
        np.append(seen[frequent], rest[0]),
        np.append(expected[frequent] * count, rest[1]),
    )
    kept = f_exp > 0
    if kept.sum() > 1:
        assert chisquare(f_obs[kept], f_exp[kept]).pvalue > 1e-3


def test_a_draw_is_the_place_in_the_vocabulary_order():
    chances = library_chances(scores(), 0.6, 0.95)[0]
    line = chances.cumsum(0)
    for draw in np.linspace(0, 0.999, 97):
        (token,) = Nucleus(0.6, 0.95).pick(scores(), torch.tensor([float(draw)])).tokens
        before = float(line[token - 1]) if token else 0.0
        assert before - 1e-6 <= draw <= float(line[token]) + 1e-6


def test_the_margin_is_the_distance_to_another_outcome():
    nucleus = Nucleus(1.0, 1.0)
    even = torch.zeros(1, 4)
    assert nucleus.pick(even, torch.tensor([0.25 + 1e-7], dtype=torch.float64)).margins[
        0
    ] == pytest.approx(1e-7, rel=1e-3)
    assert nucleus.pick(even, torch.tensor([0.375])).margins[0] == pytest.approx(0.125)
    tied = Nucleus(1.0, 0.5 + 1e-9)  # whether two tokens are inside hangs on the last bits
    assert tied.pick(even, torch.tensor([0.1])).margins[0] < 1e-8


def test_rows_do_not_see_each_other():
    rows, draws = scores(rows=9), torch.from_numpy(np.random.default_rng(1).random(9))
    together = Nucleus(0.6, 0.95).pick(rows, draws)
    alone = [Nucleus(0.6, 0.95).pick(rows[i : i + 1], draws[i : i + 1]) for i in range(9)]
    assert together.tokens.tolist() == [token for one in alone for token in one.tokens.tolist()]


def test_rows_that_are_not_numbers_are_told():
    rows = scores(rows=3)
    rows[1] = torch.nan
    rows[2, 4] = torch.nan
    assert Nucleus(0.6, 0.95).pick(rows, torch.full((3,), 0.5)).finite.tolist() == [
        True,
        False,
        False,
    ]
    assert greedy(rows).finite[0] and not greedy(rows).finite[1]


def test_every_row_has_numbers_of_its_own():
    seeds = {
        stream_seed(seed, problem, sample, condition)
        for seed in (0, 1)
        for problem in ("a", "b")
        for sample in (0, 1)
        for condition in (None, {"reasoning": "empty"})
    }
    assert len(seeds) == 16
