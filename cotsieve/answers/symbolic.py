"""Verdicts of the graders that compute with sympy, in worker processes.

Hostile answers can keep sympy busy for hours, and what it finds may depend on what it was asked
before and on the order of hashes. Every pair is therefore compared in a fork of a fresh process
with a fixed order of hashes, under limits of time and memory.

The worker process is `python -m cotsieve.answers.symbolic`. Arguments: grader, seconds for each
pair. Standard input: one JSON array [prediction, reference] per line. Standard output: for each, in
order, true, false or a text that says why there is no verdict.
"""

import contextlib
import functools
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cotsieve.ground.checkout import ROOT

SECONDS = 10
"""Processor seconds for one pair; ordinary pairs take some hundredths."""
LONGEST_ANSWER = 1000
"""Characters; no reference answer of MATH has more than 200, and longer ones are not compared."""

MEMORY = 4 * 2**30
"""Bytes of address space for one pair."""
PATIENCE = 20
"""Seconds of waiting per processor second, for a machine that is busy with other things."""

_WARM_UP = (
    (r"\frac{1}{2}", "0.5"),
    (r"-\dfrac{3}{8}", r"137\frac{1}{2}"),
    (r"10,080", r"\$18.90"),
    (r"(2,\infty)\cup(-3,1]", r"x\in[1,2]"),
    (r"x^2+2\sqrt{3}", r"2\pi-3i"),
    (r"\frac{3\sqrt{2}+\sqrt[3]{5}}{2}", r"-2-\sqrt{7}"),
    (r"\left(-\sqrt{3},\sqrt{3}\right)", r"(3,\frac{\pi}{2})"),
    (r"6r^2-4r-24", r"(b+2)(a+5)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\{1,2\}"),
    (r"1,-2", r"3, 5, 7"),
    (r"5\text{ cm}", r"y=12\%"),
    (r"90^\circ", r"\text{even}"),
    (r"4210_5", r"x<5"),
    (r"2^{27}-2^{11}", r"10!\cdot\binom{5}{2}"),
    (r"\sin 20^\circ", r"\log_2 3"),
)
"""Compared before all others, so that what the libraries build up on first use is shared."""


def verdicts(
    grader: str, pairs: Sequence[tuple[str, str]], processes: int = 1, seconds: int = SECONDS
) -> list[bool | str]:
    """For each pair of prediction and reference whether they are equal, or why nobody can tell.

    `grader` is "math", "r2a" or "thought-anchors". The verdicts depend neither on the number of
    processes nor on the other pairs. Raises RuntimeError when a worker process itself fails.
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
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-m", "cotsieve.answers.symbolic", grader, str(seconds)],
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


def main() -> None:
    """Answer every line; each pair is compared in a fork, untouched by the pairs before it."""
    grader, seconds = sys.argv[1], int(sys.argv[2])
    with open(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what a library prints must not pass for an answer
        equal = _comparison(grader)
        for pair in _WARM_UP:
            with contextlib.suppress(Exception):
                equal(*pair)
        gc.collect()
        gc.freeze()
        for line in sys.stdin:
            verdict = _in_fork(functools.partial(equal, *json.loads(line)), seconds)
            print(json.dumps(verdict), file=answers, flush=True)


def _comparison(grader: str) -> Callable[[str, str], bool]:
    if grader == "math":
        from cotsieve.answers.math import equality

        return equality.equal
    if grader == "thought-anchors":
        from cotsieve.answers import thought_anchors

        return thought_anchors.equal
    from cotsieve.answers import r2a

    return r2a.equal


def _in_fork(compare: Callable[[], bool], seconds: int) -> bool | str:
    result, report = os.pipe()
    child = os.fork()
    if child == 0:
        _compare_and_exit(compare, seconds, report)
    os.close(report)
    ready, _, _ = select.select([result], [], [], seconds * PATIENCE)
    if not ready:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(result, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if said:
        return json.loads(said)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if ended_by in (signal.SIGXCPU, signal.SIGKILL):
        return f"grader timeout: no verdict within {seconds} seconds of computing"
    return f"the grader ended without a verdict (status {status})"


def _compare_and_exit(compare: Callable[[], bool], seconds: int, report: int) -> None:
    try:
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, seconds)
        _limit(resource.RLIMIT_AS, MEMORY)
        verdict: bool | str = compare()
    except BaseException as error:  # whatever it is, it is told, and the fork ends here
        verdict = f"grader error: {type(error).__name__}: {error}"[:300]
    os.write(report, json.dumps(verdict).encode())
    os._exit(0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
