"""Engine against reference: `python -m benchmarks.bench [--device cuda] [--only NAME …]`.

Needs torch, transformers and pyarrow only; downloads nothing. Both sides run in one process, in
turns, on the same problems; at the end the reference runs every problem, and every token is
compared (on a GPU those of the turns, since all would take an hour). On a CPU times are those of
the process on one thread; on a GPU they are wall time. The largest claim comes first; what was
measured is printed and written to `benchmarks/results.md` as it is known.
"""

import os
import time

STARTED = time.time()
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402

from benchmarks import ceilings, report, running, shapes  # noqa: E402
from benchmarks.reference import Reference, Zeroed  # noqa: E402
from benchmarks.running import Outcome, clock  # noqa: E402
from benchmarks.shapes import Case, Model  # noqa: E402
from cotsieve.engine.devices import DTYPES, set_matmul_mode  # noqa: E402
from cotsieve.engine.latent.narrow import LEAST_LEADS, Doubt, Gate  # noqa: E402
from cotsieve.ground import tables  # noqa: E402
from cotsieve.rollouts.schema import BASELINE, ROLLOUTS  # noqa: E402

START_SECONDS = time.time() - STARTED

DEMO_ANSWERS = 16
"""Most tokens; the trained model ends its answers itself."""


@dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    shape: str
    ablations: int
    precision: str
    batch_rows: int
    problems: int
    timed: int
    """Problems that the reference runs too, in every round."""
    rounds: int
    runaways: bool = False

    @property
    def name(self) -> str:
        tail = " runaways" if self.runaways else ""
        return f"{self.shape} k={self.ablations} {self.precision}{tail}"


PLANS = {
    "cpu": [
        Measurement("thin", 1, "float32", 64, 64, 8, 3),
        Measurement("thin", 7, "float32", 128, 48, 2, 3),
        Measurement("wide", 1, "float32", 64, 32, 2, 3),
        Measurement("wide", 7, "float32", 128, 16, 1, 3),
        Measurement("demo", 1, "float32", 128, 200, 32, 5),
        Measurement("demo", 7, "float32", 128, 96, 8, 5),
        Measurement("thin", 1, "float32", 64, 64, 8, 1, runaways=True),
        Measurement("demo", 1, "exact", 128, 200, 0, 3),
        Measurement("thin", 1, "exact", 64, 160, 0, 1),
    ],
    "cuda": [
        Measurement("llama-1b", 1, "exact", 2048, 7500, 12, 3),
        Measurement("llama-1b", 7, "exact", 2048, 7500, 4, 2),
        Measurement("llama-1b", 1, "fp16", 2048, 7500, 0, 3),
        Measurement("llama-1b", 1, "bf16", 2048, 7500, 0, 2),
        Measurement("llama-1b", 1, "tf32", 2048, 7500, 0, 2),
        Measurement("llama-1b", 1, "fp16", 2048, 7500, 0, 2, runaways=True),
        Measurement("llama-1b", 1, "float32", 2048, 1500, 12, 2),
        Measurement("llama-1b", 37, "fp16", 2048, 2000, 0, 1),
        Measurement("demo", 1, "float32", 256, 200, 16, 3),
    ],
}  # fmt: skip


def ablations(model: Model, count: int) -> list[Zeroed]:
    """Zeros at the middle block: in all thoughts, in each one, then at other blocks."""
    layers, every = model.architecture.layers, tuple(range(6))
    blocks = [layers // 2, *(b for b in range(layers) if b != layers // 2)]
    found = [Zeroed(b, t) for b in blocks for t in [every, *((i,) for i in every)]]
    return found[:count]


class Bench:
    """One model with its reference, and the engines built on it so far."""

    def __init__(self, shape: str, device: torch.device):
        self.device, self.model = device, shapes.load(shape, device)
        self._reference: Reference | None = None
        self._engines: dict[tuple[str, int], running.TimedEngine] = {}
        self.load_seconds = 0.0

    @property
    def reference(self) -> Reference:
        self._reference = self._reference or Reference(self.model)
        return self._reference

    def engine(self, precision: str, batch_rows: int) -> running.TimedEngine:
        key = precision, batch_rows
        if key not in self._engines:
            before = time.perf_counter()
            self._engines[key] = running.build(self.model, precision, batch_rows)
            self.load_seconds = time.perf_counter() - before
        return self._engines[key]

    def cases(self, count: int, conditions: int, runaways: bool) -> list[Case]:
        if self.model.name == "demo":
            questions, cap = shapes.demo_questions()[:count], DEMO_ANSWERS
        else:
            vocabulary = self.model.architecture.vocabulary
            questions, cap = shapes.random_questions(count, vocabulary), None
        return shapes.cases(questions, conditions, runaways=runaways, cap=cap)


def measure(bench: Bench, what: Measurement) -> report.Line:
    """Run engine and reference in turns; the first round warms up and is not counted."""
    cases = bench.cases(what.problems, 1 + what.ablations, what.runaways)
    zeroed = ablations(bench.model, what.ablations)
    set_matmul_mode(what.precision)
    narrow = "fp16" if what.precision == "exact" else what.precision
    engine = bench.engine(narrow, what.batch_rows)
    wide = None
    warm = replace(what, problems=min(what.problems, max(8, what.batch_rows // 2)))
    _run(bench, warm, engine, cases[: warm.problems], zeroed, None)
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if what.precision == "exact":
        wide = bench.engine("float32", what.batch_rows)

    def gate() -> Gate | None:
        """Without what an earlier round has told."""
        return Gate(Doubt(LEAST_LEADS[narrow]), lambda: wide) if wide else None

    sample = _spread(cases, what.timed)
    ours, theirs, found, wanted = [], [], {}, {}
    for _ in range(what.rounds):
        before = clock(bench.device)
        found = _run(bench, what, engine, cases, zeroed, gate())
        ours.append((clock(bench.device) - before) / len(cases))
        if sample:
            set_matmul_mode("float32")
            before = clock(bench.device)
            wanted = {index: bench.reference.run(cases[index], zeroed) for index in sample}
            theirs.append((clock(bench.device) - before) / len(sample))
            set_matmul_mode(what.precision)
    if sample and bench.device.type == "cpu":
        rest = [index for index in range(len(cases)) if index not in wanted]
        wanted |= {index: bench.reference.run(cases[index], zeroed) for index in rest}
    for one in filter(None, (engine, wide)):
        one.phases.seconds.clear()
        one.phases.on, one.finished = True, 0
    _run(bench, what, engine, cases, zeroed, gate())
    for one in filter(None, (engine, wide)):
        one.phases.on = False
    # A CPU has no fast float16 products, so float32 is its ceiling.
    dtype = DTYPES[narrow] if bench.device.type == "cuda" else torch.float32
    limits = ceilings.ceilings(bench.device, dtype)
    least = limits.seconds(ceilings.floor(bench.model, cases, what.batch_rows), dtype.itemsize)
    seconds = statistics.median(ours)
    return report.Line(
        what.name,
        what.batch_rows,
        len(cases),
        seconds,
        [r / o for r, o in zip(theirs, ours, strict=False)],
        sum(len(done.token_ids) for done in found.values()) / len(cases) / seconds,
        least / (seconds * len(cases)),
        {
            "load": bench.load_seconds,
            **engine.phases.seconds,
            **({"float32": sum(wide.phases.seconds.values())} if wide else {}),
            "write": _write(found, cases),
        },
        report.peak_memory(bench.device),
        _differing(found, wanted),
        len(wanted) * (1 + what.ablations),
        len({token for done in found.values() for token in done.token_ids}),
        wide and wide.finished,
        _changed(bench, what, cases, zeroed, found),
        START_SECONDS,
    )


def _run(
    bench: Bench,
    what: Measurement,
    engine: running.TimedEngine,
    cases: Sequence[Case],
    zeroed: Sequence[Zeroed],
    gate: Gate | None,
) -> Outcome:
    work = running.work_of(cases, zeroed)
    settle = what.precision in ("float32", "exact")
    return running.run(engine, work, cases, gate, settle=settle)


def _changed(
    bench: Bench,
    what: Measurement,
    cases: Sequence[Case],
    zeroed: Sequence[Zeroed],
    found: Outcome,
) -> str | None:
    """Rows that are not float32's, out of some problems spread over the run."""
    if what.precision == "float32" or what.runaways:
        return None
    chosen = _spread(cases, 512 // (1 + what.ablations))
    few = [cases[index] for index in chosen]
    set_matmul_mode("float32")
    wanted = running.run(
        bench.engine("float32", what.batch_rows), running.work_of(few, zeroed), few
    )
    changed = [
        index
        for (index, condition), done in wanted.items()
        if found[chosen[index], condition].token_ids != done.token_ids
    ]
    # A label is decided by two rows of a problem, so it can change only where one of them does.
    return f"{len(changed)}/{len(wanted)}, labels ≤ {len(set(changed))}/{len(few)}"


def _spread(cases: Sequence[Case], count: int) -> list[int]:
    """Problems that stand for all: evenly spaced over their lengths."""
    order = sorted(range(len(cases)), key=lambda i: len(cases[i].question))
    return [order[(2 * n + 1) * len(order) // (2 * count)] for n in range(min(count, len(order)))]


def _differing(found: Outcome, wanted: dict[int, list[list[int]]]) -> int:
    return sum(
        list(found[index, condition].token_ids) != tokens
        for index, answers in wanted.items()
        for condition, tokens in enumerate(answers)
    )


def _write(found: Outcome, cases: Sequence[Case]) -> float:
    """Seconds to write the rows as a job does."""
    before = time.perf_counter()
    empty = dict.fromkeys(ROLLOUTS.names)
    rows = [
        empty
        | {
            "problem_id": f"made_{problem}",
            "condition": f"zero-{condition}" if condition else BASELINE,
            "sample": 0,
            "token_ids": list(done.token_ids),
            "finish_reason": done.finish_reason,
            "prompt_tokens": len(cases[problem].question),
            "answer_tokens": len(done.token_ids),
            "margin": done.margin,
        }
        for (problem, condition), done in sorted(found.items())
    ]
    with tempfile.TemporaryDirectory() as folder:
        tables.write(rows, Path(folder) / "rollouts.parquet", ROLLOUTS)
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of measurements")
    parser.add_argument("--minutes", type=float, default=6.5, help="start nothing new after these")
    parser.add_argument("--results", type=Path, default=shapes.ROOT / "benchmarks" / "results.md")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    table = report.Table(device, START_SECONDS)
    print(table.heading(), flush=True)
    bench: Bench | None = None
    for what in PLANS[device.type]:
        if arguments.only and not any(part in what.name for part in arguments.only):
            continue
        late = device.type == "cuda" and time.time() - STARTED > 60 * arguments.minutes
        if late:
            print(f"| {what.name} | left out: no time |", flush=True)
            continue
        if bench is None or bench.model.name != what.shape:
            bench = None  # frees the memory of the one before
            bench = Bench(what.shape, device)
        print(table.add(measure(bench, what)), flush=True)
        table.write(arguments.results)


if __name__ == "__main__":
    main()
