"""Verdicts of the graders that compute with sympy, in worker processes.

Hostile answers can keep sympy busy for hours, and what it finds may depend on what it was asked
before and on the order of hashes. Every pair is therefore compared in a fork of a fresh process
with a fixed order of hashes, under limits of time and memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cotsieve.answers import worker

SECONDS = 10
"""Processor seconds for one pair; ordinary pairs take some hundredths."""
LONGEST_ANSWER = 1000
"""Characters; no reference answer of MATH has more than 200, and longer ones are not compared."""

_ROOT = Path(__file__).resolve().parents[2]


def verdicts(
    grader: str, pairs: Sequence[tuple[str, str]], processes: int = 1, seconds: int = SECONDS
) -> list[bool | str]:
    """For each pair of prediction and reference whether they are equal, or why nobody can tell.

    `grader` is "math" or "r2a". The verdicts do not depend on the number of processes nor on the
    other pairs. Raises RuntimeError when a worker process itself fails.
    """
    distinct = list(dict.fromkeys(pairs))
    count = max(1, min(processes, len(distinct) // 4))
    hands = [distinct[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda hand: _answers(grader, hand, seconds), hands))
    known = {
        pair: verdict
        for hand, verdicts_ in zip(hands, answers, strict=True)
        for pair, verdict in zip(hand, verdicts_, strict=True)
    }
    return [known[pair] for pair in pairs]


def _answers(grader: str, pairs: Sequence[tuple[str, str]], seconds: int) -> list[bool | str]:
    if not pairs:
        return []
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-m", worker.__name__, grader, str(seconds)],
        input="".join(f"{json.dumps(pair)}\n" for pair in pairs),
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    lines = ended.stdout.splitlines()
    if ended.returncode or len(lines) != len(pairs):
        what = ended.stderr.strip().splitlines()[-1:] or [f"status {ended.returncode}"]
        raise RuntimeError(f"grader {grader}: the worker process failed ({what[0]})")
    return [json.loads(line) for line in lines]
