"""What 75 shards cost beside the work in them: `python -m benchmarks.many_shards`.

7,500 generated problems through the tiny latent model on a CPU, one job at a time, as where there
is one GPU. The first job loads the model and makes the rows of all shards (`engine.ahead`); the
others take their tables. Then one row is edited, and one shard made again. `--problems`,
`--conditions`, `--shard-size`, `--ahead` and `--held-rows` for other sizes, `--first` for the job
of the first shard alone. Prints lines for `benchmarks/scale.md`.
"""

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import yaml

from cotsieve.demo.stories import make_problems, write_jsonl

ROOT = Path(__file__).resolve().parents[1]
UP_TO_ROLLOUTS, FIRST = ["--until", "generate"], "0000"
MODEL = ROOT / "resources" / "models" / "tiny-codi"
COLUMNS = (
    "problems × conditions", "shards", "ahead", "held rows", "stale", "whole s", "model loads",
    "start and load s", "job that made rows s", "its peak GiB", "other job s", "Snakemake s",
    "start and load", "beside the work",
)  # fmt: skip


class Job(NamedTuple):
    """One job as Snakemake measured it, and what its log says of the model."""

    seconds: float
    peak: float
    """GiB; what takes no time is not measured."""
    work: float | None
    """Seconds from the loaded model to the last line; None where it was not loaded."""

    @property
    def beside(self) -> float:
        """Seconds for the start, and for the model's load if it was loaded."""
        return self.seconds - (self.work or 0)


def conditions(count: int) -> dict[str, dict]:
    """That many: the sieve's own, then single thoughts in every layer, by two operations."""
    found = {"zero": {"operation": "zero", "layer": "middle"}}
    for operation, layer, thought in itertools.product(("zero", "noise"), range(4), range(6)):
        what = {"operation": operation, "layer": layer, "thoughts": [thought]}
        found[f"{operation}-{layer}-{thought}"] = what
    if not 1 <= count <= len(found):
        sys.exit(f"--conditions must be from 1 to {len(found)}")
    return dict(itertools.islice(found.items(), count))


def make_study(folder: Path, given: argparse.Namespace) -> None:
    write_jsonl(make_problems(given.problems, seed=1), folder / "problems.jsonl")
    model = {"checkpoint": str(MODEL), "base": str(MODEL / "base")}
    study = {
        "study": "many",
        "sources": {"made": {"path": "problems.jsonl", "format": "gsm8k"}},
        "models": {"tiny": model | {"lora": {"rank": 8, "alpha": 32}}},
        "decoding": {"max_new_tokens": 16},
        "sweeps": {"main": {"conditions": conditions(given.conditions)}},
        "sieve": {"sweep": "main", "ablation": "zero"},
        "draw": {"targets": {"2-step": 150}},
        "engine": {
            "batch_rows": 128,
            "shard_size": given.shard_size,
            "ahead": given.ahead,
            "held_rows": given.held_rows,
            "device": "cpu",
        },
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def timed(folder: Path, first: bool) -> tuple[float, list[Job]]:
    """Seconds of a run up to the rollouts, or to those of the first shard; and its jobs."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += (
        [f"results/many/rollouts/tiny/main/made/{FIRST}.parquet"] if first else UP_TO_ROLLOUTS
    )
    command += ["--directory", str(folder), "--cores", "1", "--configfile", "study.yaml"]
    began, started = time.time(), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    seconds = time.perf_counter() - started
    place = Path("generate/tiny/main/made")
    told = (folder / "results/many/benchmarks" / place).glob("*.tsv")
    logs = folder / "results/many/logs" / place
    return seconds, [
        _job(path, logs / f"{path.stem}.log") for path in told if path.stat().st_mtime > began
    ]


def _job(measured: Path, log: Path) -> Job:
    (row,) = csv.DictReader(measured.open(), delimiter="\t")
    peak = 0 if row["max_rss"] in ("-", "NA") else float(row["max_rss"]) / 1024
    lines = log.read_text().splitlines()
    loaded = next((_time(line) for line in lines if "model loaded" in line), None)
    work = None if loaded is None else (_time(lines[-1]) - loaded).total_seconds()
    return Job(float(row["s"]), peak, work)


def _time(line: str) -> datetime:
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f")


def line(given: argparse.Namespace, stale: int, seconds: float, jobs: list[Job]) -> str:
    makers = [job for job in jobs if job.work is not None]
    others = [job.seconds for job in jobs if job.work is None]
    busy = sum(job.seconds for job in makers)
    work, beside = sum(job.work for job in makers), sum(job.beside for job in jobs)
    cells = (
        f"{given.problems:,} × {given.conditions + 1}",
        -(-given.problems // given.shard_size),
        given.ahead,
        f"{given.held_rows:,}",
        stale,
        f"{seconds:.1f}",
        len(makers),
        f"{sum(job.beside for job in makers):.1f}",
        f"{busy:.1f}",
        f"{max(job.peak for job in makers):.2f}",
        f"{fmean(others):.2f}" if others else "–",
        f"{seconds - busy - sum(others):.1f}",
        f"{beside / seconds:.0%}",
        f"{1 - work / seconds:.0%}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def edit_last_row(file: Path) -> None:
    *rows, last = file.read_text().splitlines()
    row = json.loads(last)
    rows.append(json.dumps(row | {"question": f"Now: {row['question']}"}))
    file.write_text("\n".join(rows) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="What many shards cost beside their work.")
    parser.add_argument("--problems", type=int, default=7500)
    parser.add_argument("--conditions", type=int, default=1, help="beside the baseline")
    parser.add_argument("--shard-size", type=int, default=100)
    parser.add_argument("--held-rows", type=int, default=65_536)
    parser.add_argument("--ahead", type=int, default=10_000)
    parser.add_argument("--first", action="store_true", help="make the first shard alone")
    given = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_study(folder, given)
        seconds, jobs = timed(folder, given.first)
        print(line(given, len(jobs), seconds, jobs), flush=True)
        if given.first:
            return
        edit_last_row(folder / "problems.jsonl")
        seconds, jobs = timed(folder, False)
        assert len(jobs) == 1, "one shard of them is stale"
        print(line(given, len(jobs), seconds, jobs))


if __name__ == "__main__":
    main()
