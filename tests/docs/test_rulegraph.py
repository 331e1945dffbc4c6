"""The picture of the rules in the README shows the rules there are."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.search(
    r"<!-- rules:.*?```mermaid\n(.*?)```\n<!-- end of rules -->\n\n(.*?)\n\n",
    (ROOT / "README.md").read_text("utf-8"),
    re.S,
)
PICTURE, CAPTION = SECTION.groups()
EDGES = set(re.findall(r"^ +(\w+) --> (\w+)$", PICTURE, re.M))


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return subprocess.run(
        [*command, "--directory", str(folder), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_the_picture_has_the_edges_of_the_default_study(tmp_path):
    graph = snakemake(tmp_path, "--rulegraph", "dot")
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', graph, re.M))
    told = re.findall(r"^\s*(\d+) -> (\d+)\s*$", graph, re.M)
    edges = {(names[maker], names[reader]) for maker, reader in told}
    assert {edge for edge in edges if "all" not in edge} == EDGES, "make rulegraph"
    assert len(PICTURE.splitlines()) == len(EDGES) + 3


def test_every_other_rule_is_named_below_it(tmp_path):
    listed = snakemake(tmp_path, "--list-rules")
    others = set(re.findall(r"^(\w+)", listed, re.M)) - {rule for edge in EDGES for rule in edge}
    assert others - {"all"} == set(re.findall(r"`(\w+)`", CAPTION)) - {"generate"}


def test_the_rules_in_colour_are_those_for_gpus():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text("utf-8"))
    asked = profile["set-resources"].items()
    on_gpu = {rule for rule, resources in asked if resources.get("slurm_partition") == "gpu"}
    shown = set(re.search(r"^ +class (\S+) gpu$", PICTURE, re.M)[1].split(","))
    assert shown == on_gpu & {rule for edge in EDGES for rule in edge}
