"""Seconds and peak memory of sources of any size: `python -m benchmarks.sources`.

Makes JSON lines of `--rows` generated stories, and `--am-rows` rows like those of
AM-DeepSeek-R1-Distilled with 8 kB of reasoning each (.zst), then measures, each in a process of its
own: cataloguing both, a first plan, a plan with nothing new, what a job does before it loads a
model, and a plan after 1,000 rows were appended. Prints a line per step, for `benchmarks/scale.md`:
seconds by the clock, of processor time, and the largest resident set.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from cotsieve.demo.stories import make_problems
from cotsieve.problems.catalogue import open_catalogue
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

DISTINCT = 10_000
"""Stories; they repeat with another number in front."""
STUDY = {
    "study": "large",
    "models": {"old": {"family": "imported", "results": "none.json", "ablation": "zero"}},
    "sweeps": {"main": {"conditions": {"zero": {"operation": "zero", "layer": "middle"}}}},
    "sieve": {"sweep": "main", "ablation": "zero"},
    "draw": {"total": 100},
}


def stories(rows: int, first: int = 0):
    """Rows of the form of GSM8K."""
    made = make_problems(min(rows, DISTINCT), seed=1)
    for number in range(first, first + rows):
        story = made[number % len(made)]
        yield {"question": f"{number}. {story.question}", "answer": story.answer}


def conversations(rows: int):
    """Rows of the form of AM-DeepSeek-R1-Distilled."""
    for row in stories(rows):
        thought = f"Let me see. {row['question']} {row['answer']} " * 18
        answer = row["answer"].rpartition("#### ")[2]
        said = {"think_content": thought, "answer_content": row["answer"]}
        about = {"source": "openR1-Math", "reference_answer": answer, "test_case": None}
        content = f"<think>{thought}</think>\n<answer>{row['answer']}</answer>"
        yield {
            "messages": [
                {"role": "user", "content": row["question"], "info": about},
                {"role": "assistant", "content": content, "info": said},
            ]
        }


def write(rows, path: Path, mode: str = "wb") -> int:
    """Write JSON lines, zipped where the name says so; the bytes of text."""
    out = pa.output_stream(str(path), compression="zstd") if path.suffix == ".zst" else None
    size = 0
    with out or path.open(mode) as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            size += len(line)
            file.write(line)
    return size


def catalogue(name: str) -> None:
    kind = "am" if "am" in name else "gsm8k"
    open_catalogue("made", {"format": kind}, Path(name))


def planned(name: str) -> Plan:
    source = {"path": name, "format": "am" if "am" in name else "gsm8k"}
    return Plan(read_study(STUDY | {"sources": {"made": source}}))


def plan(name: str) -> None:
    found = planned(name)
    assert found.shards and found.content_digest()


def job(name: str) -> None:
    """The rows of one shard, checked as a job checks them."""
    found = planned(name)
    size = found.shard_size
    rows = found.held(next(one for one in found.shards if one.index == 3))
    assert len(rows) == size


STEPS = {"catalogue": catalogue, "plan": plan, "job": job}


def measured(told: str, step: str, name: str, rows: int, text: int = 0) -> None:
    """Run a step in a process of its own, and print what it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.sources", "--step", step, "--file", name]
    _, status, used = os.wait4(subprocess.Popen(command).pid, 0)
    assert status == 0, told
    seconds, worked = time.perf_counter() - started, used.ru_utime + used.ru_stime
    speed = f"{rows / worked:,.0f} rows, {text / worked / 1e6:.0f} MB" if text else "–"
    peak = used.ru_maxrss / 2**20
    print(
        f"| {told} | {rows:,} | {seconds:.1f} | {worked:.1f} | {speed} | {peak:.2f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory of large sources.")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--am-rows", type=int)
    parser.add_argument("--step", choices=STEPS, help="run this step alone, in this process")
    parser.add_argument("--file")
    given = parser.parse_args()
    if given.step:
        STEPS[given.step](given.file)
        return
    print("| what | rows | seconds | processor s | per processor s | peak GiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COTSIEVE_CACHE"] = f"{folder}/cache"
        rows, plain = given.rows, f"{folder}/rows.jsonl"
        text = write(stories(rows), Path(plain))
        measured("catalogue, JSON lines", "catalogue", plain, rows, text)
        measured("first plan", "plan", plain, rows)
        measured("plan, nothing new", "plan", plain, rows)
        measured("before a job's model is loaded", "job", plain, rows)
        write(stories(1000, rows), Path(plain), "ab")
        measured("plan after 1,000 rows were appended", "plan", plain, rows + 1000)
        count = given.am_rows or rows // 10
        zipped = f"{folder}/am.jsonl.zst"
        text = write(conversations(count), Path(zipped))
        measured("catalogue, AM-like .zst", "catalogue", zipped, count, text)


if __name__ == "__main__":
    main()
