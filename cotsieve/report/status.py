"""Where a study stands, read from its files alone.

Nothing runs and nothing is written, so it can be asked while the study runs, on any machine that
sees its files.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.joblog import STOPPED, duration
from cotsieve.report.throughput import JobTime, job_times
from cotsieve.report.tokens_read import tokens_read
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.shards import Shard
from cotsieve.study.settings.file import study_values
from cotsieve.study.settings.models import ImportedModel, ReasoningModel
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.study import Study

TRACES = "traces"
"""Stands for a sweep where a model's baseline is stored before its sweeps."""
OF_BASELINE = "its baseline failed: "
"""Opens the reason of a row that failed because the trace it starts from did."""
_MOST_REASONS = 10
"""So many are told; some name numbers, such as tokens, and differ from row to row."""


class Progress(NamedTuple):
    """One model in one sweep."""

    model: str
    sweep: str
    shards: int
    done: int
    partial: int
    """Not done, but finished rows of them are kept."""
    failed: int
    """Not done, and the log of the last try ends in an error."""
    missing: int
    """Not done, and nothing is kept or failed: waiting, running or stopped."""
    rows: int
    """Rollouts the sweep will have."""
    rows_done: int
    """Rollouts that are finished or kept."""
    seconds: float
    """Wall-clock seconds of finished jobs; each held a GPU unless it ran on CPUs."""
    left: float | None
    """Estimated seconds of job time to the end; None as long as nothing tells."""
    failures: Counter
    """Reason → failed rollouts."""
    under_way: tuple[str, ...]
    """What the job of a shard last told of itself, for those that have begun and not ended."""
    stopped: tuple[str, ...] = ()
    """Shards whose job was stopped by a signal (Ctrl-C, a batch system), and when."""


def told(study: str | Path, results: str | Path) -> str:
    """The status of the study in a file, for the terminal; `results` holds the folders of studies.

    Raises BadInput when the file cannot be used.
    """
    known = read_study(study_values(study), str(study))
    folder = Path(results) / known.study
    text = status_text(known.study, status(Plan(known), folder))
    around = tokens_read(folder)
    return "\n".join([text, "rollouts around sentences", *around, ""]) if around else text


def status(plan: Plan, results: str | Path) -> list[Progress]:
    """The progress of every model in every sweep; `results` is the folder of the study."""
    results = Path(results)
    times = job_times(results)
    return [
        _progress(plan, results, times, model, sweep)
        for model in plan.study.models
        for sweep in _sweeps(plan.study, model)
    ]


def status_text(study: str, found: Sequence[Progress]) -> str:
    """A table for the terminal; below it, jobs under way and the reasons of failed rollouts."""
    header = (
        "model", "sweep", "shards", "done", "partial", "failed", "missing", "rollouts", "",
        "job time", "time left",
    )  # fmt: skip
    lines = [header, *map(_line, found)]
    if len(found) > 1:
        lines.append(_line(_total(found)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [f"study {study}", ""]
    text += ["  ".join(_cells(line, widths)).rstrip() for line in lines]
    jobs = [f"{item.model}, {item.sweep}: {told}" for item in found for told in item.under_way]
    if jobs:
        text += ["", "jobs under way", *jobs]
    stopped = [f"{item.model}, {item.sweep}: {told}" for item in found for told in item.stopped]
    if stopped:
        text += ["", "jobs that were stopped; the next run goes on from there", *stopped]
    reasons = _reasons(found)
    if reasons:
        text += ["", "failed rollouts", *reasons]
    return "\n".join(text) + "\n"


def _reasons(found: Sequence[Progress]) -> list[str]:
    """A line per reason: how many rows failed for it, and where."""
    rows: Counter = Counter()
    places: dict[str, Counter] = {}
    for item in found:
        for told, count in item.failures.items():
            reason = told.removeprefix(OF_BASELINE)
            rows[reason] += count
            places.setdefault(reason, Counter())[f"{item.model}, {item.sweep}"] += count
    lines = []
    for reason, count in rows.most_common(_MOST_REASONS):
        where = places[reason].items()
        told = [name if len(where) == 1 else f"{name}: {part:,}" for name, part in where]
        lines.append(f"{count:,} × {reason} ({'; '.join(told)})")
    left = len(rows) - len(lines)
    if left:
        others = rows.total() - sum(count for _, count in rows.most_common(_MOST_REASONS))
        lines.append(f"{others:,} × {left:,} more reasons; the report lists them")
    return lines


def _sweeps(study: Study, model: str) -> list[str]:
    first = [TRACES] if isinstance(study.models[model], ReasoningModel) else []
    return first + [name for name in study.sweeps if model in study.models_of(name)]


def _rows_of(study: Study, model: str, sweep: str, shard: Shard) -> int:
    definition = study.models[model]
    conditions = 1 if sweep == TRACES else 1 + len(study.sweeps[sweep].all_conditions())
    if isinstance(definition, ImportedModel):
        return 2 * shard.rows
    return conditions * shard.rows * study.decoding_of(model).samples


def _progress(
    plan: Plan, results: Path, times: Sequence[JobTime], model: str, sweep: str
) -> Progress:
    states: Counter = Counter()
    failures: Counter = Counter()
    under_way, stopped = [], []
    rows = rows_done = 0
    for shard in plan.shards:
        wanted = _rows_of(plan.study, model, sweep, shard)
        finished = _result(results, model, sweep, shard)
        kept = 0 if finished.is_file() else _kept_rows(plan, results, model, sweep, shard)
        rows += wanted
        if finished.is_file():
            states["done"] += 1
            rows_done += wanted
            failures.update(_failures(finished))
            continue
        rows_done += min(kept, wanted)
        log = _log(results, model, sweep, shard)
        broken = bool(log) and " ERROR " in log.read_text("utf-8", "replace")
        states["failed" if broken else "partial" if kept else "missing"] += 1
        if log and not broken:
            told, ago = _last_told(log)
            if told == STOPPED:
                stopped.append(f"{shard.name} ({ago})")
            else:
                under_way.append(f"{shard.name}: {told} ({ago})")
    own = [job for job in times if job.model == model]
    exact = [job for job in own if job.sweep == ("" if sweep == TRACES else sweep)]
    return Progress(
        model,
        sweep,
        len(plan.shards),
        *(states[name] for name in ("done", "partial", "failed", "missing")),
        rows,
        rows_done,
        sum(job.seconds for job in exact),
        _left(rows - rows_done, exact or own),
        failures,
        tuple(under_way),
        tuple(stopped),
    )


def _left(rows: int, jobs: Sequence[JobTime]) -> float | None:
    """Seconds for so many rows at the speed of the jobs."""
    if not rows:
        return 0.0
    made = sum(job.rows or 0 for job in jobs)
    return rows * sum(job.seconds for job in jobs if job.rows) / made if made else None


def _result(results: Path, model: str, sweep: str, shard: Shard) -> Path:
    folder = results / TRACES / model if sweep == TRACES else results / "rollouts" / model / sweep
    return folder / f"{shard.name}.parquet"


def _kept_rows(plan: Plan, results: Path, model: str, sweep: str, shard: Shard) -> int:
    """Rows in the parts that a stopped or running job of this shard has kept."""
    size = plan.shard_size
    first, count = shard.index * size, 0
    for folder in (results / "kept" / model / shard.source).glob(f"*.{sweep}.parts"):
        start = folder.name.partition("-")[0]
        if start.isdigit() and first <= int(start) < first + size:
            for part in folder.glob("[0-9]*.parquet"):
                with suppress(OSError, pa.ArrowException):  # the job that runs may replace it
                    count += pq.read_metadata(part).num_rows
    return count


def _failures(path: Path) -> Iterator[str]:
    columns = ["finish_reason", "error"]
    try:
        table = pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        yield f"{path} cannot be read ({str(error).splitlines()[0]}); the next run makes it again"
        return
    for reason, error in zip(*(table[name].to_pylist() for name in columns), strict=True):
        if reason == "failed":
            yield error or "no reason was recorded"


def _log(results: Path, model: str, sweep: str, shard: Shard) -> Path | None:
    """The log of a shard's job, if it has begun."""
    rules = ("trace",) if sweep == TRACES else ("generate", "ablate", "import_rollouts")
    place = Path(model) if sweep == TRACES else Path(model) / sweep
    logs = (results / "logs" / rule / place / f"{shard.name}.log" for rule in rules)
    return next((log for log in logs if log.is_file()), None)


def _last_told(log: Path) -> tuple[str, str]:
    """The last line of a log, and how long ago it was written."""
    lines = log.read_text("utf-8", "replace").splitlines()
    told = lines[-1].split(" ", 3)[-1] if lines else "begun"  # without date, time and level
    return told, f"{duration(time.time() - log.stat().st_mtime)} ago"


def _line(found: Progress) -> tuple[str, ...]:
    share = f"{found.rows_done / found.rows:.0%}" if found.rows else "–"
    counts = (found.shards, found.done, found.partial, found.failed, found.missing)
    return (
        found.model,
        found.sweep,
        *(f"{count:,}" for count in counts),
        f"{found.rows_done:,} of {found.rows:,}",
        share,
        _time(found.seconds),
        "?" if found.left is None else _time(found.left),
    )


def _time(seconds: float) -> str:
    return duration(seconds) if seconds else "0 s"


def _total(found: Sequence[Progress]) -> Progress:
    known = [item.left for item in found]
    return Progress(
        "total",
        "",
        *(sum(item[index] for item in found) for index in range(2, 10)),
        None if None in known else sum(known),
        Counter(),
        (),
    )


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for index, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if index < 2 else cell.rjust(width)
