"""What the hardware allows: the rates of one product and one copy, and the work of a problem."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.running import clock
from benchmarks.shapes import Case, Model


@dataclass(frozen=True)
class Ceilings:
    """Measured on this device in this run."""

    flops: float
    """Per second, of a large product in the precision of the run."""
    bytes: float
    """Per second, read and written, of a large copy."""

    def seconds(self, work: "Floor", bytes_per_weight: int) -> float:
        """The least a run can take: every pass by arithmetic or by reading the weights."""
        weights = work.parameters * bytes_per_weight / self.bytes
        reading = max(work.prefill_flops / self.flops, work.batches * weights)
        return reading + max(work.step_flops / self.flops, work.steps * weights)


@dataclass(frozen=True)
class Floor:
    """The arithmetic of a run with questions read once, merged adapters, logits where needed."""

    parameters: int
    """In the blocks."""
    prefill_flops: float
    step_flops: float
    batches: int
    steps: int
    """Passes of one token per row, over all batches."""


def ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    size = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    product = _seconds(device, lambda: left @ right)
    count = 2**30 if device.type == "cuda" else 2**25
    source = torch.randn(count, device=device)
    target = torch.empty_like(source)
    copy = _seconds(device, lambda: target.copy_(source))
    return Ceilings(2 * size**3 / product, 2 * source.nbytes / copy)


def floor(model: Model, cases: list[Case], batch_rows: int) -> Floor:
    shape = model.architecture
    attention = shape.hidden * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    block = attention + 3 * shape.hidden * shape.intermediate
    parameters = shape.layers * block
    conditions = len(cases[0].lengths)
    thinking = 1 + model.style.thoughts + len(model.style.after_thoughts)
    answers = sum(sum(case.lengths) for case in cases)
    read = sum(len(model.style.prompt(case.question)) - 1 for case in cases)
    fed = len(cases) * conditions * (thinking - 1) + answers
    batches = -(-len(cases) * conditions // batch_rows)
    longest = max(ANSWER, thinking)
    return Floor(
        parameters,
        2.0 * parameters * read,
        2.0 * parameters * fed + 2.0 * shape.hidden * shape.vocabulary * answers,
        batches,
        batches * longest * 2,
    )


ANSWER = 8
"""Tokens of a usual answer."""


def _seconds(device: torch.device, work: Callable[[], object]) -> float:
    """Median of five, each of several goes after two to warm up."""
    for _ in range(2):
        work()
    goes = 10 if device.type == "cuda" else 3
    taken = []
    for _ in range(5):
        before = clock(device)
        for _ in range(goes):
            work()
        taken.append((clock(device) - before) / goes)
    return statistics.median(taken)
