"""The measurement of writing on a GPU runs to its end, and its rows are those of rows alone."""

from dataclasses import replace
from unittest.mock import patch

import torch

from benchmarks import writing_speed
from benchmarks.writing_speed import Bench, lines

SMALL = replace(
    writing_speed.SHAPE, layers=2, hidden=64, heads=4, head_dim=16, intermediate=96,
    vocabulary=151_000,
)  # fmt: skip


def test_every_line_is_measured():
    device = torch.device("cpu")
    gpu = {name: lambda *_: 0 for name in ("memory_allocated", "max_memory_allocated")}
    gpu |= dict.fromkeys(("synchronize", "reset_peak_memory_stats"), lambda *_: None)
    with (
        patch.multiple(torch.cuda, **gpu),
        patch.multiple(writing_speed, SHAPE=SMALL, ROWS=(3,), BEHIND=(20, 2), NEW=4, MANY=6),
        torch.inference_mode(),
    ):
        found = list(lines(Bench(device)))
    assert len(found) == 5 and {len(line) for line in found} == {len(writing_speed.COLUMNS)}
    assert all(line[-1].startswith("0/") for line in found)
