"""Seconds of a plan, a run with nothing to do, and new targets: 10,000 problems, or 10,000 jobs.

`python benchmarks/ten_thousand.py [FOLDER]`. The problems are generated; their rollouts are
imported (every third ablated answer wrong), so no model runs: 10 shards of 1,000, their jobs
and the merged table of 20,000 rows are as they would be with one. In shards of 2 they make 10,000
jobs, imported or with a model, which are planned, not run. Seconds by the clock, and of processor
time.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cotsieve.demo.stories import make_problems, write_jsonl  # noqa: E402
from cotsieve.findings.original import export_checkpoint  # noqa: E402
from cotsieve.study.plan.problems import Plan  # noqa: E402
from cotsieve.study.settings.reading import read_study  # noqa: E402

PROBLEMS = 10_000
STUDY = {
    "study": "large",
    "sources": {"made": {"path": "problems.jsonl"}},
    "models": {
        "old": {"family": "imported", "results": "rollouts.json", "ablation": "zero-middle"}
    },
    "sweeps": {"main": {"conditions": {"zero-middle": {"operation": "zero", "layer": "middle"}}}},
    "sieve": {"sweep": "main", "ablation": "zero-middle"},
    "engine": {"shard_size": 1000},
    "draw": {"targets": {"2-step": 150, "3-step": 150, "4-step": 100, "5+step": 50}},
}
MODEL = ROOT / "resources" / "models" / "tiny-codi"
TINY = {"checkpoint": str(MODEL), "base": str(MODEL / "base"), "lora": {"rank": 8, "alpha": 32}}


def make_study(folder: Path) -> None:
    """Write problems, rollouts and study."""
    write_jsonl(make_problems(PROBLEMS, seed=1), folder / "problems.jsonl")
    os.chdir(folder)
    rows = [_tested(problem, index) for index, problem in enumerate(_problems())]
    export_checkpoint(rows, "rollouts.json", "1970-01-01T00:00:00")
    _write(STUDY)


def _problems():
    return Plan(read_study(STUDY | {"select": {}})).selection.problems()


def _tested(problem, index: int) -> dict:
    wrong = index % 3 == 0
    return {
        **{key: getattr(problem, key) for key in ("problem_id", "source", "row", "question")},
        **{key: getattr(problem, key) for key in ("solution", "answer", "steps", "stratum")},
        "baseline_prediction": problem.answer,
        "baseline_verdict": "correct",
        "ablated_prediction": "-1" if wrong else problem.answer,
        "ablated_verdict": "incorrect" if wrong else "correct",
        "needs_cot": wrong,
    }


def _write(study: dict) -> None:
    Path("study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def timed(*arguments: str) -> tuple[float, float]:
    """Seconds of one call of the workflow: by the clock, and of processor time."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--cores", "2", "--configfile", "study.yaml", *arguments]
    started, used = time.perf_counter(), _processor()
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return round(time.perf_counter() - started, 1), round(_processor() - used, 1)


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        make_study(Path(sys.argv[1] if len(sys.argv) > 1 else made))
        found = {"whole run": timed()}
        found["nothing to do"] = min(timed() for _ in range(3))
        targets = STUDY["draw"]["targets"] | {"2-step": 151}
        _write(STUDY | {"draw": {"targets": targets}})
        found["dry run of new targets"] = timed("--dry-run")
        found["new targets"] = timed()
        jobs = STUDY | {"engine": {"shard_size": 2}}
        _write(jobs | {"study": "imported"})
        found["dry run of 10,000 jobs"] = timed("--dry-run")
        _write(jobs | {"study": "generated", "models": {"tiny": TINY}})
        found["dry run of 10,000 jobs with a model"] = timed("--dry-run")
        print(json.dumps(found, indent=1))
        os.chdir("/")


if __name__ == "__main__":
    main()
