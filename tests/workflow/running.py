"""Write studies, and run the real workflow on them in a folder of their own."""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from warm import warm_python

from cotsieve.demo.stories import make_sample, write_jsonl

ROOT = Path(__file__).resolve().parents[2]

_STATISTICS = re.compile(r"^Job stats:\njob +count\n-[- ]*\n(.*?)^total +\d+", re.M | re.S)
_COUNT = re.compile(r"^(\w+) +(\d+)\s*$", re.M)
_OUTPUT = re.compile(r"^ {4}output: (.*)$", re.M)

DRY_RUN = ("--quiet", "host", "--dry-run")
"""Options of a dry run that shows every job, which the profile does not."""

REMOVED = object()
"""A change that takes the key out of a study."""


class Planned(NamedTuple):
    """What a dry run would do."""

    jobs: dict[str, int]
    """Rule → number of jobs, without the target rule `all`."""
    outputs: list[str]
    """Every file that would be made, in no particular order."""

    def shards(self, kind: str) -> set[str]:
        """Names source/number of the shards whose files of a kind ("rollouts") would be made."""
        paths = (Path(output) for output in self.outputs if f"/{kind}/" in output)
        return {f"{path.parent.name}/{path.stem}" for path in paths}


def study_of(model: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A small study of one model over `problems.jsonl`, with changes merged into it."""
    study = {
        "study": "toy",
        "sources": {"toy": {"path": "problems.jsonl", "format": "gsm8k"}},
        "models": {"tiny": dict(model)},
        "decoding": {"max_new_tokens": 12},
        "sweeps": {
            "main": {"conditions": {"zero-middle": {"operation": "zero", "layer": "middle"}}}
        },
        "sieve": {"sweep": "main", "ablation": "zero-middle"},
        "draw": {"targets": {"2-step": 3, "3-step": 3, "4-step": 2, "5+step": 2}},
        "engine": {"batch_rows": 64, "shard_size": 20},
    }
    return merged(study, changes)


def merged(study: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `study` in which the mappings of `changes` are merged key by key."""
    result = copy.deepcopy(dict(study))
    for key, value in changes.items():
        if value is REMOVED:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def write_study(folder: Path, study: Mapping[str, Any], problems: int = 0, seed: int = 1) -> Path:
    """Write `study.yaml` into `folder`, and as many generated `problems.jsonl` as asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    if problems:
        write_jsonl(make_sample(problems, seed), folder / "problems.jsonl")
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(dict(study), sort_keys=False), encoding="utf-8")
    return file


def snakemake(
    folder: Path,
    *arguments: str,
    study: str | None = "study.yaml",
    cores: int = 1,
    root: Path = ROOT,
    libraries: str = "",
    cold: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `folder`; `profiles/default` beside the Snakefile is read by itself.

    `root` is the checkout to run; libraries in the folder `libraries` hide the installed ones.
    Its processes have imported what they need of other libraries before, unless they start `cold`.
    """
    python = sys.executable if cold or libraries else warm_python()
    command = [python, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(folder), "--cores", str(cores)]
    command += ["--configfile", study] if study else []
    own = {"COTSIEVE_CACHE": str(folder / ".cotsieve"), "OMP_NUM_THREADS": "1"}
    own |= {"PYTHONPATH": libraries} if libraries else {}
    return subprocess.run(
        [*command, "--nocolor", *arguments],
        cwd=folder,
        env=os.environ | own,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
    )


def run(folder: Path, *targets: str, cores: int = 1, cold: bool = False) -> str:
    """Run the workflow, which must succeed; what it printed."""
    done = snakemake(folder, *targets, cores=cores, cold=cold)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def planned_jobs(folder: Path, *arguments: str, study: str | None = "study.yaml") -> Planned:
    """What the workflow would do in `folder`, from a dry run, which must succeed."""
    return plan_told(snakemake(folder, *DRY_RUN, *arguments, study=study))


def plan_told(done: subprocess.CompletedProcess[str]) -> Planned:
    """The plan that a dry run, which must have succeeded, has printed."""
    assert done.returncode == 0, done.stdout[-6000:]
    statistics = _STATISTICS.search(done.stdout)
    jobs = {
        rule: int(count)
        for rule, count in _COUNT.findall(statistics[1] if statistics else "")
        if rule != "all"
    }
    outputs = [file for files in _OUTPUT.findall(done.stdout) for file in files.split(", ")]
    return Planned(jobs, outputs)


def files_under(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes of every file below `folder`."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def json_lines(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
