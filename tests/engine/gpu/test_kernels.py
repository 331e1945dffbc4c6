"""The kernels compute what torch computes, run by Triton's interpreter where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cotsieve.engine.decoding import Decoding
from cotsieve.engine.gpu import checked
from cotsieve.engine.gpu.graphs import Graphs
from cotsieve.engine.sampling import GOLDEN, uniform
from cotsieve.weights.architecture import Architecture

CPU = torch.device("cpu")


def shape(heads: int, kv_heads: int, size: int, family: str = "llama") -> Architecture:
    return Architecture(
        family=family, layers=1, hidden=32, heads=heads, kv_heads=kv_heads, head_dim=size,
        intermediate=32, vocabulary=64, base_vocabulary=64, norm_eps=1e-5, max_positions=1024,
        activation="silu", tied=True,
    )  # fmt: skip


CHECK = """
import torch
from test_kernels import CPU, shape
from cotsieve.engine.gpu import checked, launching
checked._check_tokens(launching, CPU)
for heads, dtype in (((6, 2, 16), torch.float16), ((5, 5, 20), torch.float32)):
    checked._check_attention(launching, CPU, shape(*heads), dtype)
for heads, family in (((6, 2, 16), "llama"), ((5, 5, 20), "qwen3")):
    checked._check_chains(launching, CPU, shape(*heads, family), torch.float16)
"""


def test_rows_find_and_choose_what_they_do_in_torch():
    """The same bits whether their beginning is shared or not; in a process of its own, since
    Triton must know when it is imported that its kernels are to be interpreted."""
    pytest.importorskip("triton", reason="needs Triton, which is for Linux")
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    told = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": paths}
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(command, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_torch_alone_finds_the_same_bits_behind_a_shared_text():
    for dtype in (torch.float16, torch.bfloat16):
        found = [checked._found(None, CPU, shape(6, 2, 16), dtype, shared) for shared in (0, 256)]
        assert found[0].equal(found[1])


def test_kernels_that_compute_something_else_are_not_used(caplog, monkeypatch):
    def wrong(*_):
        raise RuntimeError("they choose other tokens")

    for check in ("_check_tokens", "_check_attention", "_check_chains"):
        monkeypatch.setattr(checked, check, wrong)
    model = torch.device("cuda", 7), shape(4, 2, 8), torch.float16
    assert checked.walker_for(*model) is None and checked.chains_for(*model) is None
    assert checked.picker_for(model[0], Decoding(1, frozenset(), 5)) is None
    assert len(caplog.records) == 3 and all("torch alone" in r.getMessage() for r in caplog.records)


def test_a_graph_that_cannot_be_captured_is_told_once(caplog):
    """Every pass is then done as it is, once each."""
    graphs, table = Graphs(True), torch.zeros(3)
    for number in range(3):
        graphs.run((4, 256), lambda: table.add_(1), [table])
        assert table.tolist() == [number + 1] * 3
    assert len(caplog.records) == 1 and not graphs.wanted


def test_numbers_are_those_of_splitmix64():
    """By whole numbers in Python, for seeds and places at the ends of their ranges."""

    def mixed(bits: int) -> int:
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits = ((bits ^ (bits >> shift)) * factor) % 2**64
        return bits ^ (bits >> 31)

    seeds, places = [0, 1, 2**62 + 7, 2**63 - 1], [0, 5, 30_000, 1]
    found = uniform(torch.tensor(seeds), torch.tensor(places))
    pairs = zip(seeds, places, strict=True)
    wanted = [mixed((mixed(s) + (p + 1) * GOLDEN) % 2**64) >> 11 for s, p in pairs]
    assert (found * 2**53).tolist() == wanted
    many = uniform(torch.zeros(20_000, dtype=torch.int64), torch.arange(20_000))
    assert abs(float(many.mean()) - 0.5) < 0.01 and float(many.min()) >= 0
