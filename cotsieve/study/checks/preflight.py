"""What can go wrong with a run before it starts: looked at in seconds, told in one list.

Part of every real run; alone: `python -m cotsieve.study.checks.preflight STUDY.yaml`. No weights
are loaded. The Snakefile alone asks this, so nothing here can make a result stale.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.hub import explaining
from cotsieve.ground.joblog import duration
from cotsieve.study.checks import capacity
from cotsieve.study.checks.capacity import readable
from cotsieve.study.checks.check import check_study, outline_of, refuse_all
from cotsieve.study.checks.expected import boxless_models, recorded_rows, unmet_targets
from cotsieve.study.checks.questions import check_questions, written_positions
from cotsieve.study.checks.replaced_files import replaced_files
from cotsieve.study.checks.templates import told_prompts
from cotsieve.study.checks.work import Work, rollouts_of
from cotsieve.study.jobs.places import is_local, model_places
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.file import study_values
from cotsieve.study.settings.models import ImportedModel, Model, ReasoningModel
from cotsieve.study.settings.places import located
from cotsieve.study.settings.reading import read_study
from cotsieve.weights.architecture import Architecture, Outline, read_config
from cotsieve.weights.check import checked_codi, checked_headers, ranks_of
from cotsieve.weights.codi_names import told_auxiliary, without_auxiliary
from cotsieve.weights.headers import Header
from cotsieve.weights.layout import weight_files
from cotsieve.weights.outline import is_lean, safetensors_files, why_library


def preflight(
    plan: Plan,
    work: Mapping[str, Work] | None = None,
    *,
    here: bool = True,
    fetches: Iterable[str] | None = None,
) -> list[str]:
    """Look at everything a run will need; lines that sum it up.

    `work` says what the jobs come to that load each model (default: all that a study has); a model
    without jobs is not looked at. `here`: they run on this machine, so its devices count. `fetches`
    are the sources to be fetched (default: those not on disk). Raises BadInput with all findings.
    """
    work = _all_work(plan) if work is None else work
    lines: list[str] = []
    checks: list[Callable[[], object]] = [partial(_check_disk, plan, work, lines)]
    checks.append(
        lambda: lines.extend([*recorded_rows(plan), *boxless_models(plan), *unmet_targets(plan)])
    )
    checks += [partial(_check_source, plan, name) for name in _absent(plan, fetches)]
    for name in work:
        checks.append(partial(_check_model, plan, name, work[name], here, lines))
    refuse_all(checks)
    return lines


def _all_work(plan: Plan) -> dict[str, Work]:
    """A job for every shard and sweep; models that write their reasoning trace every shard first.
    Nothing is kept."""
    study = plan.study
    rounds = {name: int(isinstance(what, ReasoningModel)) for name, what in study.models.items()}
    for sweep in study.sweeps:
        for name in study.models_of(sweep):
            rounds[name] += 1
    return {
        name: Work(len(plan.shards) * rounds[name], rollouts_of(plan, name), None)
        for name, model in study.models.items()
        if not isinstance(model, ImportedModel)
    }


def _check_disk(plan: Plan, models: Iterable[str], lines: list[str]) -> None:
    folder = Path("results") / plan.study.study
    mend = "Make it writable, or run in another folder (snakemake --directory)."
    for place in (folder, folder / "kept", folder / "rollouts", folder / "merged"):
        try:
            if place == folder:
                place.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                with tempfile.NamedTemporaryFile(dir=place) as file:
                    file.write(b"\0" * 4096)
        except OSError as error:
            raise bad(place, f"cannot be written ({error.strerror})", mend) from None
    tokens = {name: plan.study.decoding_of(name).max_new_tokens for name in models}
    need = sum(capacity.result_bytes(rollouts_of(plan, name), tokens[name]) for name in tokens)
    free = shutil.disk_usage(folder).free
    if free < need // 2:  # most answers are shorter than they may be
        what = f"{readable(free)} are free, results may take {readable(need)}"
        raise bad(folder, what, "Free space, or run in another folder (snakemake --directory).")
    lines.append(f"disk: results take up to {readable(need)}; {readable(free)} are free")


def _absent(plan: Plan, fetches: Iterable[str] | None) -> list[str]:
    """The sources that must come from a hub."""
    if fetches is not None:
        return sorted(fetches)
    return [
        name
        for name, source in plan.study.sources.items()
        if source.hub and not plan.source_file(name).exists()
    ]


def _check_source(plan: Plan, name: str) -> None:
    from huggingface_hub import HfApi

    hub = plan.study.sources[name].hub
    with explaining(f"sources.{name}: {hub.repo}", "or give the path of a local file."):
        HfApi().dataset_info(hub.repo, revision=hub.revision, timeout=10)


def _check_model(plan: Plan, name: str, work: Work, here: bool, lines: list[str]) -> None:
    model = plan.study.models[name]
    for part, (spec, revision, _) in model_places(model).items():
        if not is_local(spec):
            _check_hub_model(f"models.{name}.{part}", spec, revision)
    base, weights = _places(model)
    if not is_local(base):
        return
    shape = outline_of(plan, name, located(base))
    if isinstance(model, ReasoningModel):
        lines += told_prompts(name, f"models.{name}.style", located(base), model.style)
    longest = check_questions(plan, name, model, located(base), shape, lines)
    if not is_local(weights):
        return
    lines += replaced_files(Path("results") / plan.study.study, name, model)
    latent = isinstance(model, Model)
    if latent:
        headers = _check_codi(name, model, shape, lines)
    elif is_lean(shape):
        headers = checked_headers(weight_files(located(weights)), shape)
    else:
        headers = _check_library_model(name, located(base), lines)
    count = capacity.parameters(headers.values())
    tokens = longest + written_positions(plan, name)
    lines.append(_estimate(plan, name, work, count, tokens, here))
    if here and count:
        lines.append(_check_memory(plan, name, shape, count, tokens))


def _check_codi(
    name: str, model: Model, shape: Architecture, lines: list[str]
) -> dict[str, Header]:
    """The headers of a CODI checkpoint; what only its training used is told and left out."""
    where = located(model.checkpoint), located(model.base)
    headers = checked_codi(*where, shape, model.lora.alpha)
    _check_rank(f"models.{name}.lora.rank", model.lora.rank, headers)
    told = told_auxiliary(headers)
    if told:
        lines.append(f"{name}: {told}")
    return without_auxiliary(headers)


def _check_rank(where: str, said: int | None, headers: dict[str, Header]) -> None:
    """The rank of the adapters is seen in their shapes; what the study says must be that."""
    ranks = ranks_of(headers)
    if said is None or not headers or ranks == {said}:
        return
    there = f"the adapters have rank {', '.join(map(str, sorted(ranks)))}"
    what = there if ranks else "there are no adapters in the checkpoint: they are merged already"
    raise bad(where, f"the study says {said}, {what}", "Correct the rank, or leave it out.")


def _check_library_model(name: str, folder: Path, lines: list[str]) -> dict[str, Header]:
    """The headers of a model that the transformers library runs."""
    from cotsieve.engine.library.check import check_library_weights  # seconds: it needs torch

    files = safetensors_files(folder)
    headers = checked_headers(files, None)
    why = why_library(read_config(folder / "config.json"))
    lines.append(f"{name}: run by the transformers library's own model ({why})")
    remark = check_library_weights(folder, files[0], headers)
    if remark:
        lines.append(f"{name}: {remark}")
    return headers


def _places(model: Model | ReasoningModel) -> tuple[str, str]:
    if isinstance(model, ReasoningModel):
        return model.model, model.model
    return model.base, model.checkpoint


def _check_hub_model(where: str, spec: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, snapshot_download

    try:
        snapshot_download(spec, revision=revision, local_files_only=True)
        return
    except (OSError, ValueError):  # not in the cache: is it on the hub?
        pass
    with explaining(
        f"{where}: {spec}", "or give the path of a local folder.", "there is no such folder"
    ):
        HfApi().model_info(spec, revision=revision, timeout=10)


def _estimate(plan: Plan, name: str, work: Work, count: int, tokens: int, here: bool) -> str:
    rows = f"{work.rows:,.0f} {'row' if round(work.rows) == 1 else 'rows'} to make"
    jobs = f"{work.jobs} {'job' if work.jobs == 1 else 'jobs'}"
    if work.seconds is not None:
        time = f"about {duration(work.seconds)} of job time, as earlier jobs took"
    else:
        found = capacity.device(plan.study.engine.device) if here else None
        gpu = found.is_gpu if found else not here
        seconds = capacity.seconds(work.jobs, round(count * work.rows * tokens), gpu)
        time = f"very roughly {duration(seconds)} of job time"
    size = f"{count / 1e6:.3g} million parameters"
    return f"{name}: {size}, {jobs}, {rows}, longest {tokens} tokens; {time}"


def _check_memory(plan: Plan, name: str, shape: Outline, count: int, tokens: int) -> str:
    engine, precision = plan.study.engine, plan.study.models[name].precision
    found = capacity.device(engine.device)
    if found is None:
        what = f"there is no device {engine.device!r} that nvidia-smi knows of"
        raise bad("engine.device", what, "Use auto or cpu, or free and enable the GPU.")
    memory = capacity.memory(shape, count, precision, tokens)
    if memory.needed(1) > found.free:
        what = (
            f"the weights and one row take {readable(memory.needed(1))}, "
            f"{found.name} has {readable(found.free)} free"
        )
        mend = "Free memory, use precision bf16, or a larger device."
        raise bad(f"models.{name}", what, mend)
    rows = 1 if engine.batch_rows == "auto" else engine.batch_rows
    batch = memory.needed(rows)
    note = "" if batch <= found.free else "; larger batches are halved until they fit"
    return (
        f"{name} on {found.name}: weights {readable(memory.weights)}, a batch of "
        f"{rows} rows up to {readable(batch)}, {readable(found.free)} free{note}"
    )


def main(file: str, work_in: Callable[[Plan], Mapping[str, Work]] | None = None) -> int:
    """Check the study in `file`, and print what there is to say; the exit code. `work_in` says
    what is to be made (default: everything)."""
    try:
        plan = Plan(read_study(study_values(file), file))
        check_study(plan)
        work = work_in(plan) if work_in else None
        lines = preflight(plan, work)
    except BadInput as error:
        print(f"the study cannot run as it is:\n{error}", file=sys.stderr)
        return 1
    if work == {}:
        lines.append("nothing is left to be made by a model, so none was looked at")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
