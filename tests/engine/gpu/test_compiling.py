"""Kernels compile for a GPU, called as the engine calls them: an interpreter takes what a compiler
does not. No GPU is needed for it."""

import pytest
import torch

from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.slots import Sizes, Slots
from cotsieve.weights.architecture import Architecture

CPU = torch.device("cpu")
TYPES = {
    torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.float32: "*fp32",
    torch.float64: "*fp64", torch.int64: "*i64", torch.int32: "*i32", torch.int8: "*i8",
    int: "i32", float: "fp32",
}  # fmt: skip


class Compiled:
    """In the place of a kernel: what it is called with decides what is compiled."""

    done = 0

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, _grid):
        return self

    def __call__(self, *args, num_warps: int, **constants):
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource, compile

        names = self.kernel.arg_names
        given = dict(zip(names, args, strict=False))
        types = {name: TYPES[getattr(value, "dtype", type(value))] for name, value in given.items()}
        types |= dict.fromkeys(constants, "constexpr")
        fixed = {(names.index(name),): value for name, value in constants.items()}
        source = ASTSource(self.kernel, {name: types[name] for name in names}, fixed)
        compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": num_warps})
        Compiled.done += 1


def test_kernels_compile_as_they_are_called(monkeypatch, tmp_path):
    pytest.importorskip("triton", reason="needs Triton, which is for Linux")
    from triton import knobs

    from cotsieve.engine.gpu import chains, launching, picking, walking

    monkeypatch.setattr(knobs.cache, "dir", str(tmp_path))
    choosing = ("greedy_kernel", "tops_kernel", "sums_kernel", "keep_kernel", "nucleus_kernel")
    between = ("walk", "join"), ("turned", "gated")
    for module, names in zip((picking, walking, chains), (choosing, *between), strict=True):
        for name in names:
            monkeypatch.setattr(module, name, Compiled(getattr(module, name)))
    shape = Architecture(
        family="qwen3", layers=1, hidden=32, heads=4, kv_heads=2, head_dim=16, intermediate=32,
        vocabulary=64, base_vocabulary=64, norm_eps=1e-5, max_positions=1024, activation="silu",
        tied=True,
    )  # fmt: skip
    scores, seeds = torch.zeros(2, 20_000, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.int64)
    for nucleus in (None, Nucleus(0.7, 0.9), Nucleus(1.0, 1.0)):
        launching.picker(Decoding(1, frozenset(), 20_000, nucleus=nucleus))(scores, seeds, seeds)
    slots = Slots(shape, Sizes(2, 512), device=CPU, dtype=torch.bfloat16, kernels=launching)
    mixed, tables = torch.zeros(2, 1, 8 * 16).bfloat16(), (torch.ones(512, 16),) * 2
    at = slots.step(slice(0, 2), 300, [])
    query = launching.turned(at, 0, mixed, shape, torch.ones(6, 16).bfloat16(), tables)
    launching.attended(at, 0, query)
    launching.gated(torch.zeros(2, 1, 64).bfloat16())
    assert Compiled.done == 12
