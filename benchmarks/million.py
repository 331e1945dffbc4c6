"""Seconds and peak memory from a million rollouts to a dataset: `python -m benchmarks.million`.

125,000 problems × 8 conditions in 500 shards, as the rules see them: made up, graded, merged,
judged, drawn. Then the report of 10,000 problems × 8 conditions. Each step is a process of its own,
as in the workflow; the memory is its largest resident set. `--problems` and `--conditions` are for
other sizes. Prints a line per step, for `benchmarks/scale.md`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from cotsieve.demo.stories import make_problems
from cotsieve.findings.dataset.drawing import draw_dataset
from cotsieve.findings.grades import GRADES, grade_rollouts
from cotsieve.findings.merge import MERGED, write_merged
from cotsieve.findings.necessity.judging import MERGED_COLUMNS, NECESSITY, necessity
from cotsieve.ground.files import write_text
from cotsieve.ground.tables import check, provenance, read, write
from cotsieve.problems.problem import PROBLEMS, difficulty
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS
from cotsieve.study.settings.outcome import Draw

SHARD = 250
DISTINCT = 10_000
"""Stories; they repeat with other ids."""
TARGETS = {"2-step": 150, "3-step": 150, "4-step": 100, "5+step": 50}
"""Those of the published study."""


def names(conditions: int) -> list[str]:
    """The baseline and ablations."""
    return [BASELINE, *(f"zero-{number}" for number in range(1, conditions))]


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "rollouts").glob("*.parquet"))


def graded(rollouts: Path) -> Path:
    return rollouts.parent.parent / "grades" / rollouts.name


def make(folder: Path, problems: int, conditions: int) -> None:
    """Problems and rollouts: right at baseline, of ablated answers every third is wrong."""
    stories = make_problems(min(problems, DISTINCT), seed=1)
    rows = []
    for row in range(problems):
        story = stories[row % len(stories)]
        rows.append(
            dict.fromkeys(PROBLEMS.names)
            | {"problem_id": f"made_{row}", "source": "made", "row": row}
            | {"question": story.question, "solution": story.answer}
            | {"answer": story.answer.rpartition("#### ")[2], "steps": len(story.steps)}
            | {"stratum": difficulty(len(story.steps))}
        )
    write(rows, folder / "problems.parquet", PROBLEMS)
    write_text(folder / "exclusions.json", '{"exclusions": [], "repeated_questions": 0}')
    left = iter(rows)
    for index in range(-(-problems // SHARD)):
        made = list(_rollouts(islice(left, SHARD), conditions))
        write(made, folder / "rollouts" / f"{index:04d}.parquet", ROLLOUTS)


def _rollouts(problems: Iterator[dict], conditions: int) -> Iterator[dict]:
    tokens = np.random.default_rng(1).integers(0, 128_000, 9).tolist()
    for problem in problems:
        for number, name in enumerate(names(conditions)):
            wrong = number and (problem["row"] + number) % 3 == 0
            text = f"The answer is: {0 if wrong else problem['answer']}"
            yield dict.fromkeys(ROLLOUTS.names) | {
                "problem_id": problem["problem_id"],
                "condition": name,
                "sample": 0,
                "token_ids": tokens,
                "text": text,
                "answer_text": text,
                "finish_reason": "stop",
                "prompt_tokens": 60,
                "answer_tokens": len(tokens),
                "margin": 1.5,
                "row_key": f"{problem['row']:030d}{number:02d}",
            }


def grade(folder: Path, problems: int, conditions: int) -> None:
    """What the grade jobs of all shards do, one after the other."""
    answers = read(folder / "problems.parquet", PROBLEMS, ["problem_id", "answer"]).to_pylist()
    known = {row["problem_id"]: row["answer"] for row in answers}
    for path in shards(folder):
        write(grade_rollouts(read(path, ROLLOUTS), known, "numbers", 0.01), graded(path), GRADES)


def merge(folder: Path, problems: int, conditions: int) -> None:
    parts = [("main", path, graded(path)) for path in shards(folder)]
    known = read(folder / "problems.parquet", PROBLEMS)
    write_merged(folder / "merged.parquet", parts, known, {"main": names(conditions)})


def check_merged(folder: Path, problems: int, conditions: int) -> None:
    """What planning does with a table it has not seen before."""
    check(folder / "merged.parquet")


def judge(folder: Path, problems: int, conditions: int) -> None:
    merged, known = folder / "merged.parquet", read(folder / "problems.parquet", PROBLEMS)
    rows = necessity(read(merged, MERGED, MERGED_COLUMNS), known, "main", names(conditions)[1])
    write(rows, folder / "necessity.parquet", NECESSITY, provenance(merged))


def draw(folder: Path, problems: int, conditions: int) -> None:
    rule = Draw(targets=TARGETS).model_dump(exclude_none=True)
    draw_dataset(
        study="large",
        model="made",
        necessity=str(folder / "necessity.parquet"),
        merged=str(folder / "merged.parquet"),
        exclusions=str(folder / "exclusions.json"),
        existing=None,
        variant=None,
        card_file=str(folder / "dataset" / "README.md"),
        summary_file=str(folder / "summary.txt"),
        sweep="main",
        condition=names(conditions)[1],
        about={},
        made={},
        **rule,
    )


def report(folder: Path, problems: int, conditions: int) -> None:
    from cotsieve.report.job import read_model_tables, read_study_tables, write_report

    defined = {name: {"operation": "zero", "layer": "middle"} for name in names(conditions)[1:]}
    model = read_model_tables(
        "made",
        merged=folder / "merged.parquet",
        necessity=folder / "necessity.parquet",
        drawn=folder / "dataset" / "data" / "train-00000-of-00001.parquet",
        graders=None,
        about={
            "sweep": "main",
            "condition": names(conditions)[1],
            "conditions": {"main": {BASELINE: None, **defined}},
            "thoughts": 6,
            "targets": TARGETS,
        },
    )
    problems_file, exclusions = folder / "problems.parquet", folder / "exclusions.json"
    study = read_study_tables("large", problems_file, exclusions, [model], {})
    write_report(folder / "report" / "index.html", folder / "report" / "figures", study)


Step = Callable[[Path, int, int], None]
CHAIN: list[Step] = [make, grade, merge, check_merged, judge, draw]


def measured(step: Step, folder: Path, problems: int, conditions: int) -> None:
    """Run a step in a process of its own, and print what it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.million", "--problems", str(problems)]
    command += ["--conditions", str(conditions), "--step", step.__name__, "--folder", str(folder)]
    _, status, used = os.wait4(subprocess.Popen(command).pid, 0)
    assert status == 0, step.__name__
    seconds = time.perf_counter() - started
    rollouts, most = f"{problems * conditions:,}", used.ru_maxrss / 2**20
    told = (f"{problems:,} × {conditions} = {rollouts}", step.__name__)
    print(f"| {' | '.join(told)} | {seconds:.1f} | {most:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory for a million rollouts.")
    parser.add_argument("--problems", type=int, default=125_000)
    parser.add_argument("--conditions", type=int, default=8)
    parser.add_argument("--step", help="run this step alone, in this process")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.step:
        globals()[given.step](given.folder, given.problems, given.conditions)
        return
    print("| problems × conditions | step | seconds | peak GiB |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for step in CHAIN:
            measured(step, Path(folder), given.problems, given.conditions)
    with tempfile.TemporaryDirectory() as folder:
        for step in [*CHAIN, report]:
            measured(step, Path(folder), min(10_000, given.problems), given.conditions)


if __name__ == "__main__":
    main()
