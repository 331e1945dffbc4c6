"""Showing what publishing a model's dataset on the Hugging Face hub would do, and doing it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings

from cotsieve.cli.explaining import planned
from cotsieve.findings.dataset.publishing import (
    DATASET,
    TRACE_DATASET,
    Kind,
    LocalFile,
    checked_files,
)
from cotsieve.findings.dataset.repository import (
    Repository,
    check_name,
    look,
    refuse_mixing,
    state,
    upload,
)
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.findings.necessity.net_effect import require_net
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput, bad
from cotsieve.study.checks.explain import grouped
from cotsieve.study.settings.file import study_values
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.study import Study


class Wanted(NamedTuple):
    """What is to be published, and where."""

    study: Path
    repo: str
    model: str
    traces: bool
    branch: str
    private: bool
    push: bool
    directory: Path
    """Absolute, since planning changes the working directory."""


def publish_dataset(given: Wanted) -> None:
    """Print what is published, and publish it if it is to be pushed. Raises BadInput when it
    cannot be, with the mend."""
    check_name(given.repo)
    study = read_study(study_values(given.study), str(given.study))
    kind = TRACE_DATASET if given.traces else DATASET
    model = _model(study, given.model, kind)
    folder = Path("results") / study.study / kind.folder / model
    _refuse_stale(given, folder, kind)
    _refuse_without_net(given.directory, study, model, kind)
    files = checked_files(given.directory / folder, kind, study.study, model)
    _publish(given, study.study, model, folder, files)


def _model(study: Study, name: str, kind: Kind) -> str:
    """The model that is meant: the one named, or the only one there is."""
    writing = [
        key
        for key, model in study.models.items()
        if model.family == "reasoning" and model.traces == "own"
    ]
    known = writing if kind is TRACE_DATASET else list(study.models)
    if name in known or (not name and len(known) == 1):
        return name or known[0]
    what = f"{name!r} is none of the study's" if name else "none was named"
    if kind is TRACE_DATASET:
        what += ", or writes no traces of its own"
    raise bad("model", what, f"Name one of {', '.join(known) or '(none)'}: MODEL=name.")


def _refuse_stale(given: Wanted, folder: Path, kind: Kind) -> None:
    """Raise BadInput when the workflow would make any of the files again."""
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        targets = [str(folder / path) for path in kind.files]
        try:
            jobs = planned(api, given.study, given.directory, targets)
        except Exception as error:  # told as snakemake tells it, without a traceback
            api.print_exception(error)
            raise bad(given.study, "it cannot be planned", "Mend it: make preflight.") from None
    if jobs:
        what = "it is not up to date with the study:\n  " + "\n  ".join(grouped(jobs)) + "\n "
        mend = f"Run it first: make run STUDY={given.study}"
        if kind is TRACE_DATASET:
            mend += " (with publish.traces in it)"
        raise bad(folder, what, mend)


def _refuse_without_net(directory: Path, study: Study, model: str, kind: Kind) -> None:
    """A published dataset has a net effect behind it, unless the study says that it need not."""
    if kind is TRACE_DATASET or study.draw.require.net is False:
        return
    rows = tables.read(directory / f"results/{study.study}/necessity/{model}.parquet", NECESSITY)
    mend = "Draw by another ablation (sieve.ablation), or set draw.require.net to false."
    require_net(rows.to_pylist(), study.sieve_of(model).ablation, mend)


def _publish(
    given: Wanted, study: str, model: str, folder: Path, files: Sequence[LocalFile]
) -> None:
    try:
        found = look(given.repo, given.branch)
    except BadInput as error:
        if given.push:
            raise
        print("\n".join(_lines(given, folder, files, None)))
        print(f"what is there already is not known: {error}")
        return
    refuse_mixing(given.repo, files, found, given.private)
    print("\n".join(_lines(given, folder, files, found)), flush=True)
    if given.push:
        message = f"{folder.parent.name} of {model}, study {study}"
        place = given.directory / folder
        address = upload(place, files, given.repo, given.branch, given.private, message)
        print(f"uploaded: {address}")
    else:
        print("Nothing was uploaded: this is what PUSH=1 (--push) would do.")


def _lines(
    given: Wanted, folder: Path, files: Sequence[LocalFile], found: Repository | None
) -> list[str]:
    """A line on the repository, one per file with its size and what becomes of it, and a sum."""
    private = found.private if found and found.exists else given.private
    facts = ["private" if private else "public", f"branch {given.branch}"]
    if found:
        facts.insert(0, "there already" if found.exists else "new")
    lines = [f"{folder} → dataset repository {given.repo} ({', '.join(facts)})"]
    width = max(len(file.path) for file in files)
    for file in files:
        told = state(file, found) if found else ""
        lines.append(f"  {file.path:<{width}}  {file.size:>13,} bytes  {told}".rstrip())
    wanted = [file for file in files if not found or state(file, found) != "unchanged"]
    sizes = sum(file.size for file in wanted)
    lines.append(f"{len(wanted)} of {len(files)} files to upload, {sizes:,} bytes")
    return lines
