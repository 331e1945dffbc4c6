import subprocess
import sys

import pytest

from cotsieve.ground.seeds import digest, seed_from


def test_a_digest_tells_values_apart_but_not_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    values = [
        (), (None,), ("",), ("1",), (1,), (1.5,), (True,), ([1],), ([[1]],), ({"a": 1},), (1, 2),
        ([1, 2],), ("12",), ("1", "2"), ("é",), ("\ud800",), ("e\u0301",),
    ]  # fmt: skip
    assert len({digest(*value) for value in values}) == len(values)


def test_digests_and_seeds_stay_what_they_are():
    """They decide noise, draws and what is rerun: they may never change."""
    assert digest("a", 1, {"b": None}) == "b1be2fbe696c6cab8d545c45c9d8e4c4"
    assert seed_from("noise", "test_1", 3) == 5836389273603939013


def test_another_process_gives_the_same(monkeypatch):
    code = "from cotsieve.ground.seeds import seed_from; print(seed_from('a', {'b': 1}))"
    for hash_seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert int(done.stdout) == seed_from("a", {"b": 1})


def test_a_seed_fits_every_generator():
    seeds = [seed_from("word", number) for number in range(1000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 1000


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_only_plain_values_have_a_digest(value):
    with pytest.raises(TypeError):
        digest(value)
