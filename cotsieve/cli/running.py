"""Running the workflow on a study, and what to tell at the end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cotsieve.ground.checkout import SHIPPED, TOLD_AT_THE_END
from cotsieve.ground.faults import bad
from cotsieve.study.settings.file import short_name, study_values
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.study import Study

EXPORTS = {"checkpoint": "export", "traces": "export_traces", "rollouts": "export_rollouts"}
"""What can be exported → the rule that does."""


def snakemake(
    study: Path, options: Sequence[str], environment: dict[str, str] | None = None
) -> int:
    """Run snakemake with the workflow on a study file; its exit code.

    Targets among the options come first, since `--configfile` takes all that follows it.
    """
    study_values(study)  # told by one line, where snakemake would show a traceback
    command = [sys.executable, "-m", "snakemake", *options]
    command += ["--snakefile", str(SHIPPED / "Snakefile"), "--configfile", str(study)]
    try:
        return subprocess.run(command, env=os.environ | (environment or {})).returncode
    except KeyboardInterrupt:  # snakemake has been told as well, and has said so
        return 130


def run_study(study: Path, cores: int, options: Sequence[str]) -> int:
    """Run a study and tell what it found, also when there was nothing to do; the exit code."""
    given = ["--cores", str(cores), *options]
    code = snakemake(study, given, {TOLD_AT_THE_END: "1"})
    partial = {"-n", "--dry-run", "--dryrun", "--touch", "--unlock"}.intersection(options)
    if code == 0 and not partial:
        known = read_study(study_values(study), str(study))
        print("\n".join(ending(known, Path("results") / known.study, study)))
    return code


def export_study(study: Path, what: str, cores: int, options: Sequence[str]) -> int:
    """Write results in another form, and tell where; the exit code. Raises BadInput where the study
    has none that could be written so."""
    if what not in EXPORTS:
        raise bad("what to export", f"{what!r} is unknown", f"Name {', '.join(EXPORTS)}.")
    known = read_study(study_values(study), str(study))
    writes = any(model.family == "reasoning" for model in known.models.values())
    if (what == "traces" and not writes) or (what == "rollouts" and not known.anchors):
        missing = "a model of family reasoning" if what == "traces" else "anchors"
        raise bad(f"{study}: export {what}", f"the study has no {missing}", "Export a checkpoint.")
    code = snakemake(study, [EXPORTS[what], "--cores", str(cores), *options])
    folder = Path("results") / known.study / "export"
    if code == 0 and folder.is_dir():
        print(f"written: {folder}")
    return code


def ending(study: Study, results: Path, file: Path) -> Iterator[str]:
    """The summary of every model, where the page is, and what can be done next."""
    for model in study.models:
        summary = results / "summary" / f"{model}.txt"
        if summary.is_file():
            yield f"\n{study.study} · {model}\n{summary.read_text('utf-8').rstrip()}"
    page = results / "report" / "index.html"
    if page.is_file():
        yield f"\npage: {page}"
    needed = _one_that_needs(results, study)
    if needed:
        yield f"one problem: {_command()} show {needed} {file}"
    yield f"after a change: {_command()} explain {file}"


def _command() -> str:
    """How this program is called here: a checkout has no command on the path."""
    if shutil.which("cotsieve"):
        return "cotsieve"
    return f"{short_name(sys.executable)} -m cotsieve"


def _one_that_needs(results: Path, study: Study) -> str | None:
    """A problem to look at."""
    import pyarrow.parquet as pq

    for model in study.models:
        table = results / "necessity" / f"{model}.parquet"
        if table.is_file():
            for rows in pq.ParquetFile(table).iter_batches(columns=["problem_id", "needs_cot"]):
                for row in rows.to_pylist():
                    if row["needs_cot"]:
                        return row["problem_id"]
    return None
