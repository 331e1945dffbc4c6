"""Everything wrong with a study that can be seen before a job starts, told all at once.

Only the Snakefile asks this, so nothing here can make a result stale.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cotsieve.findings.dataset.existing import read_existing
from cotsieve.findings.original import import_checkpoint
from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.ground.model_folder import BASE_FILES
from cotsieve.interventions.thoughts import from_definition
from cotsieve.problems.candidates import read_exclusion
from cotsieve.study.checks.templates import check_template
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.jobs.places import is_local, model_places
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import reference_problems, reference_source
from cotsieve.study.settings.models import ImportedModel, Model, ReasoningModel
from cotsieve.study.settings.places import located
from cotsieve.study.settings.sources import exclusion_definition
from cotsieve.weights.architecture import Outline, read_architecture, read_config
from cotsieve.weights.outline import read_outline

VOCABULARY = ("tokenizer.json", "vocab.json", "added_tokens.json")
"""Files of a model that may be large; the tokenizer reads them."""
PUBLISHED = (
    "https://raw.githubusercontent.com/GusSand/CoT_Exploration/"
    "4c3a34f882ee58d6e485e70cad26afff3a3851c0/src/experiments/activation_patching/"
)
PUBLISHED_FILES = {
    "problem_pairs_gpt4_answers.json": "problem_pairs_gpt4_answers.json",
    "llama_cot_all.json": "data/llama_cot_all.json",
}
"""Files of the published expansion study that its repository holds, and where."""


def check_study(plan: Plan) -> None:
    """Read every local file a study names, and compare its conditions with its models.

    Raises BadInput with the findings of all files; what needs several of them together is looked
    at when each of them is sound.
    """
    refuse_all(_separate_checks(plan))
    refuse_all(_joint_checks(plan))


def refuse_all(checks: Iterable[Callable[[], object]]) -> None:
    """Make every check; raise BadInput with the distinct findings of all of them."""
    findings: dict[Finding, None] = {}
    for check in checks:
        try:
            check()
        except BadInput as error:
            findings |= dict.fromkeys(error.findings)
    if findings:
        raise BadInput(findings)


def check_results(folder: Path) -> None:
    """Raise BadInput where a file, a pipe or a broken link stands in the place of a folder."""
    places = [folder.parent, folder, *(folder / name for name in ("kept", "rollouts", "traces"))]
    for place in places:
        if os.path.lexists(place) and not place.is_dir():
            what = "it is no folder, but results are written there"
            raise bad(place, what, "Move it away, or run in another folder (--directory).")
    lock = folder / ".lock"
    if os.path.lexists(lock) and not lock.is_file():
        raise bad(
            lock, "it is no file, but the study is locked by it", f"Remove it: rm -r '{lock}'"
        )


def _separate_checks(plan: Plan) -> Iterator[Callable[[], object]]:
    study = plan.study
    yield partial(check_results, Path("results") / study.study)
    for name, source in study.sources.items():
        if source.path is not None:
            yield partial(plan.asked, name)
    for item in study.select.exclude:
        yield partial(
            _published, item.path, partial(_read_exclusion, item.path, exclusion_definition(item))
        )
    for item in study.quality.against:
        yield partial(_read_exclusion, item.path, exclusion_definition(item))
    if study.existing:
        existing = study.existing
        yield partial(
            _published,
            existing.path,
            lambda: read_existing(located(existing.path), existing.variant),
        )
    for name, model in study.models.items():
        if isinstance(model, ImportedModel):
            yield partial(import_checkpoint, located(model.results))
            continue
        for key, (spec, _, _) in model_places(model).items():
            yield partial(_check_place, f"models.{name}.{key}", spec)
        yield partial(_check_model, plan, name, model)

    published = study.anchors.published if study.anchors else {}
    for name, model in [*study.models.items(), *published.items()]:
        folder = getattr(model, "anchors_from", None)
        if folder is not None:
            yield partial(_check_published, f"models.{name}.anchors_from", folder)


def _check_published(where: str, folder: str) -> None:
    if not located(folder).is_dir():
        what = f"there is no such folder (found: {folder!r})"
        raise bad(where, what, "Correct the path.")


def _joint_checks(plan: Plan) -> Iterator[Callable[[], object]]:
    sources = plan.study.sources
    if not any(source.hub for source in sources.values()):
        yield lambda: plan.selection
        yield partial(_check_candidates, plan)
    for name, sweep in plan.study.sweeps.items():
        if sweep.needs_reference and sources[reference_source(plan, name)].path is not None:
            yield partial(_check_reference, plan, name)


def _read_exclusion(path: str, definition: dict[str, Any]) -> None:
    read_exclusion(located(path), definition)


def _published(path: str, check: Callable[[], object]) -> None:
    """Make a check of a file; when it is absent, say where the published one can be had."""
    name = Path(path).name.removesuffix(".gz")
    if name in PUBLISHED_FILES and not located(path).exists():
        mend = f"Correct the path, or fetch the published file: {PUBLISHED}{PUBLISHED_FILES[name]}"
        raise bad(path, "there is no such file", mend)
    check()


def _check_place(where: str, spec: str) -> None:
    """A path that does not exist must not be taken for a repository on a hub."""
    names = spec.split("/")
    if is_local(spec) or (len(names) <= 2 and all(names) and spec[0] not in ".~"):
        return
    what = f"there is no such folder (found: {spec!r})"
    raise bad(where, what, "Correct the path, or give a hub repository as owner/name.")


def _check_model(plan: Plan, name: str, model: Model | ReasoningModel) -> None:
    for spec, _, _ in model_places(model).values():
        if is_local(spec):
            _check_settings(located(spec))
    base = model.model if isinstance(model, ReasoningModel) else model.base
    if isinstance(model, ReasoningModel) and model.style.prompt == "chat" and is_local(base):
        check_template(f"models.{name}.style.prompt", located(base), model.style)
    model_identity(model)  # says which files are missing from local folders
    if is_local(base):
        shape = outline_of(plan, name, located(base))
        refuse_all(_condition_checks(plan, name, model, shape))


def _check_settings(folder: Path) -> None:
    """A model's files of settings are objects of JSON, whose depth no reader minds."""
    for path in (folder / name for name in BASE_FILES if os.path.lexists(folder / name)):
        if not path.is_file():
            what = "it is a link that leads to no file, a folder, a pipe or a device"
            raise bad(path, what, "Fetch the model again.")
        if path.suffix == ".jinja":
            _check_text(path)
        if path.suffix == ".json" and path.name not in VOCABULARY:
            read_config(path)


def _check_text(path: Path) -> None:
    try:
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad(path, f"cannot be read as UTF-8 ({error!s:.100})", "Fetch it again.") from None


def outline_of(plan: Plan, name: str, base: Path) -> Outline:
    """The outline of a model whose configuration lies in the folder `base`. Raises BadInput."""
    if isinstance(plan.study.models[name], ReasoningModel):
        return read_outline(base, plan.study.decoding_of(name).max_new_tokens)
    return read_architecture(base)


def _condition_checks(
    plan: Plan, name: str, model: Model | ReasoningModel, shape: Outline
) -> Iterator[Callable[[], object]]:
    study = plan.study
    for sweep in study.sweeps:
        if name not in study.models_of(sweep):
            continue
        for condition, definition in study.sweeps[sweep].all_conditions().items():
            where = study.sweeps[sweep].place(sweep, condition)
            thoughts = getattr(model, "thoughts", 1)
            yield partial(_check_condition, where, name, definition, shape, thoughts)


def _check_condition(
    where: str, model: str, definition: dict[str, Any], shape: Outline, thoughts: int
) -> None:
    try:
        from_definition(definition, layers=shape.layers, family=shape.family, thoughts=thoughts)
    except BadInput as error:
        raise BadInput(
            finding._replace(where=f"{where}.{finding.where} (model {model})")
            for finding in error.findings
        ) from None
    if definition.get("attention") == "blocked" and not shape.batched:
        what = f"model '{model}' ({shape.family}) cannot be kept from seeing what it has read"
        raise bad(f"{where}.attention", what, "Leave the condition out for this model.")
    activations = definition.get("activations", "self")
    if activations != "self" and not located(activations).is_file():
        what = f"there is no such file (found: {activations!r})"
        raise bad(f"{where}.activations", what, "Write self, or give a safetensors file.")


def _check_candidates(plan: Plan) -> None:
    if not any(len(pool.places) for pool in plan.selection.pools):
        what = "the exclusions leave no problem"
        raise bad("select.exclude", what, "Exclude fewer, or add a source.")


def _check_reference(plan: Plan, sweep: str) -> None:
    usable = len(reference_problems(plan, sweep))
    if usable < 2:
        where, name = f"sweeps.{sweep}.reference", reference_source(plan, sweep)
        what = f"source '{name}' has {usable} usable problems; mean and resample need 2"
        raise bad(where, what, "Name a larger source.")
