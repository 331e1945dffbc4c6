"""How long jobs took, from the files Snakemake's benchmarks leave: measured, so never repeated."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.report.facts.wording import escaped
from cotsieve.report.page import plots
from cotsieve.report.page.frame import STYLE, filled

TIMES = Path(__file__).with_name("throughput.html")
KINDS = {"generate": "rollouts", "ablate": "rollouts", "trace": "traces"}
"""Rules that run a model, and the folder of their results."""


class JobTime(NamedTuple):
    """A finished job that ran a model."""

    rule: str
    model: str
    sweep: str
    """Empty for traces."""
    shard: str
    """source/number."""
    seconds: float
    """Of wall clock, from start to end of the job."""
    memory: float | None
    """Largest resident memory, MiB."""
    rows: int | None
    """Rollouts in its result; None where that is gone or damaged."""


def job_times(results: str | Path) -> list[JobTime]:
    """The jobs of a study whose times were measured, in order of rule, model, sweep and shard."""
    return list(_job_times(Path(results)))


def _job_times(results: Path) -> Iterator[JobTime]:
    for rule, folder in KINDS.items():
        root = results / "benchmarks" / rule
        for file in sorted(root.rglob("*.tsv")):
            *place, source, shard = file.relative_to(root).with_suffix("").parts
            model, sweep = (*place, "")[:2]
            measured = _last_line(file)
            if measured:
                made = results / folder / file.relative_to(root).with_suffix(".parquet")
                yield JobTime(
                    rule,
                    model,
                    sweep,
                    f"{source}/{shard}",
                    float(measured["s"]),
                    _number(measured.get("max_rss")),
                    _rows_in(made),
                )


def _rows_in(table: Path) -> int | None:
    with suppress(OSError, pa.ArrowException):  # gone, or damaged
        return pq.read_metadata(table).num_rows
    return None


def throughput_page(study: str, times: Sequence[JobTime]) -> str:
    """A small page of jobs, rollouts, seconds and rollouts per second by model and sweep."""
    groups: dict[tuple[str, str, str], list[JobTime]] = {}
    for job in times:
        groups.setdefault((job.model, job.rule, job.sweep), []).append(job)
    header = ("model", "rule", "sweep", "jobs", "rollouts", "seconds", "rollouts/s", "peak MiB")
    rows = [(*map(escaped, key), *_measures(jobs)) for key, jobs in groups.items()]
    body = plots.table(header, rows, words=3)
    return filled(
        TIMES.read_text(encoding="utf-8"),
        {
            "title": escaped(study),
            "style": STYLE.read_text(encoding="utf-8"),
            "table": body if rows else '<p class="note">No job has been measured.</p>',
        },
    )


def _measures(jobs: Sequence[JobTime]) -> tuple[str, ...]:
    seconds = sum(job.seconds for job in jobs)
    rows = sum(job.rows or 0 for job in jobs)
    memory = [job.memory for job in jobs if job.memory is not None]
    rate = f"{rows / seconds:,.1f}" if seconds else "–"
    peak = f"{max(memory):,.0f}" if memory else "–"
    return f"{len(jobs):,}", f"{rows:,}", f"{seconds:,.1f}", rate, peak


def _last_line(file: Path) -> dict[str, str] | None:
    lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    return lines[-1] if lines and _number(lines[-1].get("s")) is not None else None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:  # Snakemake writes "-" or "NA" where it could not measure
        return None
