"""In 16 bits a row is what it is alone, bit for bit, whatever stands beside it."""

import os
from functools import cache

import numpy as np
import pytest
import torch
from starts import relatives, tokens
from written import GREEDY, SAMPLED, STYLE, make_reasoner

from cotsieve.engine import products
from cotsieve.engine.loading import load_reasoning_model
from cotsieve.engine.written.starts import Start, families
from cotsieve.ground.faults import BadInput

BATCHES = 200 if os.environ.get("COTSIEVE_SLOW") else 3


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return cache(lambda family: make_reasoner(tmp_path_factory.mktemp(family), family, 1024))


def load(folder, precision, decoding, rows):
    definition = {"precision": precision, "style": STYLE}
    files = {"model": str(folder)}
    return load_reasoning_model(definition, files, decoding, device="cpu", batch_rows=rows)


def written(engine, groups) -> dict:
    """Key → token ids and margin."""
    waiting = [family for group in groups for family in families(group)]
    found = {key: done for rows in engine.run(waiting) for key, done in rows}
    return {key: (done.token_ids, done.margin) for key, done in found.items()}


def all_starts() -> list[list[Start]]:
    """Families that share less and more than a chunk of keys, and starts that share nothing."""
    groups = [relatives(0), relatives(1, 300), [Start((2, 0), tokens(40), unseen=(3, 30))]]
    groups += [[Start((3 + n, 0), tokens(5 + 9 * n, n), seed=n)] for n in range(5)]
    return groups


@pytest.mark.parametrize(
    ("family", "precision", "decoding"),
    [
        ("llama", "bf16", GREEDY),
        ("qwen2", "bf16", SAMPLED),
        ("qwen3", "fp16", SAMPLED),
        ("mistral", "fp16", GREEDY),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_are_what_they_are_alone(make, family, precision, decoding):
    """Batches of random company, order and size, refilled or not."""
    decoding = decoding | {"max_new_tokens": 10}
    groups = all_starts()
    lone = load(make(family), precision, decoding, 1).engine
    alone = written(lone, [[start] for group in groups for start in group])
    assert len({ids for ids, _ in alone.values()}) > len(alone) / 2
    draw = np.random.default_rng(0)
    engine = load(make(family), precision, decoding, 64).engine
    for _ in range(BATCHES):
        engine.batch_rows = int(draw.integers(2, 20))
        some = [groups[n] for n in draw.permutation(len(groups))[: draw.integers(2, 9)]]
        some = [[group[n] for n in draw.permutation(len(group))] for group in some]
        found = written(engine, some)
        assert found == {key: alone[key] for key in found}


def test_products_that_depend_on_their_rows_are_computed_in_pieces(monkeypatch):
    plain = torch.nn.functional.linear

    def lone_rows_differ(inputs, weight, bias=None):
        return plain(inputs, weight, bias) + (len(inputs) == 1)

    weight = torch.randn(8, 16).bfloat16()
    assert products.proven_piece("it", weight, None) is None
    monkeypatch.setattr(products.F, "linear", lone_rows_differ)
    assert products.proven_piece("it", weight, None) == products.PIECE
    inputs = torch.randn(5, 3, 16).bfloat16()
    found = products.product(inputs, weight, None, products.PIECE)
    assert found.equal(plain(inputs, weight))
    monkeypatch.setattr(
        products.F, "linear", lambda inputs, *more: plain(inputs, *more) + inputs.mean()
    )
    with pytest.raises(BadInput, match="depends on the rows of its batch"):
        products.proven_piece("it", weight, None)
