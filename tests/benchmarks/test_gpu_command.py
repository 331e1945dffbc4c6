"""The commands for a GPU: what they need, and, on a pretended one, that they run to their end."""

import ast
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from pretended_gpu import pretended_gpu

from benchmarks import bench, ceilings, shapes
from cotsieve.ground.fingerprint import reached_files

ROOT = Path(__file__).resolve().parents[2]
SMALL = (2, 32, 4, 2, 8, 64, 503, 8)
PROMISED = {"torch", "transformers", "pyarrow"}
BROUGHT = {"jinja2", "numpy", "safetensors", "tokenizers", "triton"}
"""Required by those three; Triton by the torch for GPUs, and nothing needs it elsewhere."""


def imports(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("command", ["bench", "written"])
def test_three_packages_are_enough(command):
    """On a machine with a GPU nothing else need be installed."""
    waiting, seen, needed = [ROOT / "benchmarks" / f"{command}.py"], set(), set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        names = imports(file)
        needed |= {name.partition(".")[0] for name in names}
        near = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names}
        name = str(file.relative_to(ROOT))
        followed = reached_files(name, ROOT) if name.startswith("cotsieve/") else {}
        reached = {ROOT / name for name in followed if name.endswith(".py")}
        waiting += [file for file in (near | reached) - seen - {*waiting} if file.is_file()]
    assert ROOT / "cotsieve/engine/decoding.py" in seen
    assert needed - sys.stdlib_module_names - {"benchmarks", "cotsieve"} <= PROMISED | BROUGHT


def test_every_measurement_is_made(tmp_path, capsys):
    plan = [
        replace(what, problems=2, batch_rows=64, timed=min(1, what.timed), rounds=1)
        for what in bench.PLANS["cuda"]
    ]
    results = tmp_path / "results.md"
    command = ["bench", "--device", "cuda", "--results", str(results)]
    with (
        patch.dict(shapes.SHAPES, {what.shape: SMALL for what in plan if what.shape != "demo"}),
        patch.dict(bench.PLANS, cuda=plan),
        patch.object(shapes, "RUNAWAY_LENGTH", 20),
        patch.object(ceilings, "ceilings", lambda *_: ceilings.Ceilings(1e12, 1e12)),
        patch.object(bench, "STARTED", time.time()),  # of this process: when pytest began
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
