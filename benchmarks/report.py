"""The table of a benchmark: one line per measurement, and where and how it was made."""

import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import torch
import transformers

PHASES = ("load", "prefill", "thoughts", "answers", "stragglers", "float32", "write")
COLUMNS = (
    "measurement", "rows", "problems", "ratio (min-max)", "problems/s", "tokens/s", "of floor",
    *(f"{phase} s" for phase in PHASES), "end to end s", "peak GiB",
    "rows unlike the reference", "distinct tokens", "in float32", "unlike float32",
)  # fmt: skip

NOTES = """\
Ratio: reference / engine, time per problem on the same problems in turns; median, min-max of the
rounds; the reference is timed on a sample spread over the question lengths, and then run on all
problems to compare all tokens (on a GPU on the sample alone). End to end: start of the process,
load, run and write, for a process that does this alone; weights are drawn where a study reads them.
Labels: at most so many `needs_cot` can differ from float32's, since a row of theirs does.
In float32: rows of `exact` that ran again there, and their seconds.
Floor: the least time this device needs for the arithmetic or for reading the weights, from rates of
a product and a copy measured in the same run. Phases are those of one more run, with a clock.
"""


@dataclass(frozen=True)
class Line:
    """One measurement."""

    name: str
    batch_rows: int
    problems: int
    seconds: float
    """Per problem."""
    ratios: list[float]
    tokens_per_second: float
    floor_share: float
    phases: dict[str, float]
    peak_bytes: int
    differing: int
    compared: int
    distinct_tokens: int
    again: int | None
    unlike_float32: str | None

    start_seconds: float
    """From the start of the process to the first line of the benchmark."""

    @property
    def end_to_end(self) -> float:
        """Seconds from the start of a process to its Parquet file, were this its only work."""
        once = self.start_seconds + self.phases.get("load", 0) + self.phases.get("write", 0)
        return once + self.seconds * self.problems

    def cells(self) -> list[str]:
        ratio = "–"
        if self.ratios:
            low, high = min(self.ratios), max(self.ratios)
            ratio = f"{statistics.median(self.ratios):.1f} ({low:.1f}-{high:.1f})"
        return [
            self.name,
            str(self.batch_rows),
            str(self.problems),
            ratio,
            f"{1 / self.seconds:.1f}",
            f"{self.tokens_per_second:.0f}",
            f"{self.floor_share:.0%}",
            *(f"{self.phases.get(phase, 0):.2f}" for phase in PHASES),
            f"{self.end_to_end:.1f}",
            f"{self.peak_bytes / 2**30:.2f}",
            f"{self.differing}/{self.compared}" if self.compared else "–",
            str(self.distinct_tokens),
            "–" if self.again is None else str(self.again),
            self.unlike_float32 or "–",
        ]


class Table:
    """The lines so far, printed as they come."""

    def __init__(self, device: torch.device, start_seconds: float):
        self._lines: list[Line] = []
        self._device, self._start = device, start_seconds

    def heading(self) -> str:
        return "\n".join(
            (about(self._device, self._start), "", row(COLUMNS), row(["---"] * len(COLUMNS)))
        )

    def add(self, line: Line) -> str:
        self._lines.append(line)
        return row(line.cells())

    def write(self, path: Path) -> None:
        """Put this device's part into the file; those of other devices stay."""
        rows = "\n".join(row(line.cells()) for line in self._lines)
        put(path, self._device.type, f"{self.heading()}\n{rows}")


def about(device: torch.device, start_seconds: float) -> str:
    """What was measured on, with what, and how."""
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else f"{_processor()}, one thread"
    return (
        f"{name}; torch {torch.__version__}, transformers {transformers.__version__}, pyarrow "
        f"{pyarrow.__version__}, Python {platform.python_version()}; commit {_commit()}; "
        f"{datetime.now(UTC):%Y-%m-%d}; `{_command()}`; start {start_seconds:.1f} s"
    )


def put(path: Path, heading: str, text: str) -> None:
    """Put a part into the file of results; those with other headings stay."""
    kept = []
    if path.is_file():
        parts = path.read_text(encoding="utf-8").split("\n## ")[1:]
        kept = [f"## {part}".strip() for part in parts]
        kept = [part for part in kept if not part.startswith(f"## {heading}\n")]
    part = f"## {heading}\n\n{text}".strip()
    whole = "\n\n".join([f"# Benchmark results\n\n{NOTES}".strip(), part, *kept])
    path.write_text(whole + "\n", encoding="utf-8")


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU since the last measurement, or of this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def row(cells: Iterable[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def _command() -> str:
    return " ".join([f"python -m benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


def _commit() -> str:
    """The commit that is measured; `-dirty` if anything but the results differs from it."""
    changed = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":/",
        ":!/benchmarks/results.md",
    ]
    try:
        told = [_git("rev-parse", "--short", "HEAD"), "-dirty" if _git(*changed) else ""]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return "".join(told)


def _git(*words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
