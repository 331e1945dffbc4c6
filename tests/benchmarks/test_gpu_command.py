"""The command for a GPU runs to its end: on a pretended one, with a small model in every part."""

import sys
from dataclasses import replace
from unittest.mock import patch

from pretended_gpu import pretended_gpu

from benchmarks import bench, ceilings, shapes

SMALL = (2, 32, 4, 2, 8, 64, 503, 8)


def test_every_measurement_is_made(tmp_path, capsys):
    plan = [
        replace(what, problems=2, batch_rows=4, timed=min(1, what.timed), rounds=1)
        for what in bench.PLANS["cuda"]
    ]
    results = tmp_path / "results.md"
    command = ["bench", "--device", "cuda", "--results", str(results)]
    with (
        patch.dict(shapes.SHAPES, {what.shape: SMALL for what in plan if what.shape != "demo"}),
        patch.dict(bench.PLANS, cuda=plan),
        patch.object(ceilings, "ceilings", lambda *_: ceilings.Ceilings(1e12, 1e12)),
        patch.object(sys, "argv", command),
        pretended_gpu(),
    ):
        bench.main()
    written, printed = results.read_text(), capsys.readouterr().out
    for what in plan:
        assert f"| {what.name} |" in printed and f"| {what.name} |" in written
        strict = what.precision == "float32"
        line = next(line for line in printed.splitlines() if line.startswith(f"| {what.name} |"))
        assert not strict or f"| 0/{1 + what.ablations} |" in line
