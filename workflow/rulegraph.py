"""Draw the rules of the default study into README.md: make rulegraph."""

import re
import subprocess
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- rules: made by make rulegraph -->\n", "<!-- end of rules -->"
TARGET = "all"
"""Waits for every result, which says nothing."""

_NODE = re.compile(r"^\s*(id\d+)\[(\w+)\]$", re.M)
_EDGE = re.compile(r"^\s*(id\d+) --> (id\d+)$", re.M)


def main() -> None:
    """Write the picture between its two marks."""
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"README.md has no place for the picture, between {BEGIN.strip()} and {END}")
    edges = edges_of_rules()
    picture = "\n".join(["```mermaid", *drawn(edges, rules_with_model()), "```", ""])
    readme.write_text(before + BEGIN + picture + END + after, encoding="utf-8")


def edges_of_rules() -> list[tuple[str, str]]:
    """Pairs of rules of the default study, where the first makes what the second reads."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        printed = subprocess.run(
            [*command, "--directory", folder, "--rulegraph", "mermaid-js"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    names = dict(_NODE.findall(printed))
    pairs = [(names[maker], names[reader]) for maker, reader in _EDGE.findall(printed)]
    return [pair for pair in pairs if TARGET not in pair]


def rules_with_model() -> list[str]:
    """The rules that are sent to a GPU."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text("utf-8"))
    return [name for name, asked in profile["set-resources"].items() if "cpus_per_gpu" in asked]


def drawn(edges: list[tuple[str, str]], on_gpu: list[str]) -> list[str]:
    """The lines of a Mermaid flowchart, in an order that depends on the edges alone."""
    makers: dict[str, set[str]] = {}
    for maker, reader in sorted(edges):
        makers.setdefault(reader, set()).add(maker)
        makers.setdefault(maker, set())
    sorter = TopologicalSorter(dict(sorted(makers.items())))
    sorter.prepare()
    order: list[str] = []
    while ready := sorted(sorter.get_ready()):
        order += ready
        sorter.done(*ready)
    lines = [
        f"    {maker} --> {reader}"
        for maker in order
        for reader in order
        if maker in makers[reader]
    ]
    shown = ",".join(name for name in order if name in on_gpu)
    style = "fill:#fde7c8,stroke:#b36b00,color:#333"
    return ["flowchart LR", *lines, f"    classDef gpu {style}", f"    class {shown} gpu"]


if __name__ == "__main__":
    main()
