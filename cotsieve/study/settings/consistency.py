"""What contradicts itself in a study file although every single value is fine."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from cotsieve.ground.faults import Finding
from cotsieve.problems.problem import STRATA, UNKNOWN
from cotsieve.study.settings.models import Sieve
from cotsieve.study.settings.study import Study


def contradictions(study: Study, wrong: Sequence[tuple[str | int, ...]] = ()) -> list[Finding]:
    """Everything wrong across the keys of a study.

    `wrong` are the paths of values that are wrong by themselves, in whose place others stand: what
    depends on them is not judged.
    """
    return [
        finding
        for check, reads in CHECKS.items()
        if not any(_decides(path, read) for path in wrong for read in reads)
        for finding in check(study)
    ]


def _decides(path: tuple[str | int, ...], read: str) -> bool:
    """Whether a value decides what is read: `a.*.b` is all there is at b, `a.keys` its keys."""
    steps = read.split(".")
    keys = steps[-1] == "keys"
    steps = steps[:-1] if keys else steps
    same = all(step in ("*", key) for step, key in zip(steps, path, strict=False))
    return same and not (keys and len(path) > len(steps))


def _unknown_ablations(study: Study) -> Iterator[Finding]:
    for where, sieve in _sieves(study).items():
        sweep = study.sweeps.get(sieve.sweep)
        if sweep is None:
            yield _unknown(f"{where}.sweep", sieve.sweep, study.sweeps)
        elif sieve.ablation not in sweep.all_conditions():
            yield _unknown(f"{where}.ablation", sieve.ablation, sweep.all_conditions())


def _unknown_models(study: Study) -> Iterator[Finding]:
    for name, sweep in study.sweeps.items():
        for model in sweep.models or []:
            if model not in study.models:
                yield _unknown(f"sweeps.{name}.models", model, study.models)


def _unknown_sources(study: Study) -> Iterator[Finding]:
    for name, sweep in study.sweeps.items():
        source = sweep.reference.source
        if source is not None and source not in study.sources:
            yield _unknown(f"sweeps.{name}.reference.source", source, study.sources)


def _wrong_conditions(study: Study) -> Iterator[Finding]:
    for name, sweep in study.sweeps.items():
        conditions = sweep.all_conditions()
        if not conditions:
            yield Finding(f"sweeps.{name}", "has no conditions", "Add conditions or a grid.")
        if "baseline" in conditions:
            yield Finding(
                f"sweeps.{name}.conditions.baseline",
                "the baseline is always there and cannot be redefined",
                "Give this condition another name.",
            )
        for condition in sorted(sweep.conditions.keys() & sweep.grid_conditions().keys()):
            yield Finding(
                f"sweeps.{name}.conditions.{condition}",
                "the grid makes a condition of the same name",
                "Give this condition another name, or remove it.",
            )


def _wrong_definitions(study: Study) -> Iterator[Finding]:
    for name, sweep in study.sweeps.items():
        for condition, definition in sweep.all_conditions().items():
            yield from _wrong_family(study, name, sweep.place(name, condition), definition)
            where = f"{sweep.place(name, condition)}.thoughts"
            yield from _wrong_thoughts(study, name, where, definition.get("thoughts", "all"))
            yield from _made_from_nothing(study, name, where, definition)


LATENT_KEYS = ("thoughts", "rest", "scope", "read", "activations", "where")
"""Keys of a condition that speak of latent thoughts."""


def _wrong_family(study: Study, sweep: str, where: str, definition: dict) -> Iterator[Finding]:
    """Conditions that a model of the sweep cannot be put under."""
    for name in study.models_of(sweep):
        model = study.models.get(name)
        if model is None or model.family == "imported":
            continue
        mend = f"Name the models it is for in sweeps.{sweep}.models, or move it to another sweep."
        if model.family == "codi" and "operation" not in definition:
            yield Finding(where, f"model '{name}' writes no reasoning to change", mend)
        latent = [key for key in LATENT_KEYS if key in definition]
        if definition.get("component") == "pre_projection":
            latent.append("component")
        if model.family == "reasoning" and latent:
            what = f"{', '.join(latent)} cannot be said of model '{name}', which thinks in words"
            yield Finding(where, what, mend)


def _unlike_strata(study: Study) -> Iterator[Finding]:
    """Known problems come without what other strata are made of."""
    if study.existing and study.strata.by != "steps":
        what = f"existing problems are sorted by steps, the others by {study.strata.by}"
        yield Finding("strata.by", what, "Use steps, or leave existing out.")


def _wrong_decoding(study: Study) -> Iterator[Finding]:
    for name, model in study.models.items():
        decoding = study.decoding_of(name)
        sampled = decoding.temperature > 0
        if model.family == "codi" and (sampled or decoding.samples > 1):
            yield Finding(
                f"models.{name}.decoding",
                "latent chain of thought is decoded greedily, once",
                "Give the model decoding of its own, with temperature 0 and 1 sample.",
            )
        elif decoding.samples > 1 and not sampled:
            yield Finding(
                "decoding.samples",
                f"{decoding.samples} greedy samples of model '{name}' are all the same",
                "Set decoding.temperature above 0, or samples to 1.",
            )


def _wrong_writer(study: Study) -> Iterator[Finding]:
    """What vLLM cannot be told."""
    for name, model in study.models.items():
        if getattr(model, "writer", "own") == "own":
            continue
        if model.precision == "tf32":
            mend = "Use float32, bf16 or fp16, or remove the writer."
            yield Finding(f"models.{name}.precision", "vLLM has no precision tf32", mend)
        if ":" in study.engine.device:
            what = f"vLLM takes the first visible GPU, not {study.engine.device}"
            yield Finding("engine.device", what, "Use auto, or set CUDA_VISIBLE_DEVICES.")


def _uneven_rounds(study: Study) -> Iterator[Finding]:
    size, shard = study.publish.fill_round, study.engine.shard_size
    if size and not study.publish.fill:
        yield Finding("publish.fill_round", "nothing is filled", "Add publish.fill.")
    if size and shard != "auto" and size % shard:
        mend = f"Use a multiple, as {max(1, round(size / shard)) * shard}."
        yield Finding("publish.fill_round", f"{size} is no multiple of shard_size {shard}", mend)


def _nothing_to_publish(study: Study) -> Iterator[Finding]:
    own = [model for model in study.models.values() if getattr(model, "traces", None) == "own"]
    if study.publish.traces and not own:
        mend = "Add a model of family reasoning with traces: own, or remove the key."
        yield Finding("publish.traces", "no model writes traces of its own", mend)
    if study.publish.fill and not study.publish.traces:
        yield Finding("publish.fill", "there are no traces to fill with", "Add publish.traces.")
    if study.publish.fill and not any(item.chain_below for item in study.sources.values()):
        mend = "Say sources.<name>.chain_below: 1 for problems without a solution."
        yield Finding("publish.fill", "no source says which chains are missing", mend)
    least = study.publish.traces and study.publish.traces.least_tokens
    if least == "exploratory" and study.quality.positions is None:
        mend = "Say quality.positions, such as 32768, or give a number of tokens."
        what = "nothing says from how many tokens on a chain is exploratory"
        yield Finding("publish.traces.least_tokens", what, mend)
    yield from _uneven_rounds(study)
    judged = study.quality.model
    if judged and getattr(study.models.get(judged), "family", None) != "reasoning":
        words = [name for name, model in study.models.items() if model.family == "reasoning"]
        yield _unknown("quality.model", judged, words)


def _made_from_nothing(study: Study, sweep: str, where: str, definition: dict) -> Iterator[Finding]:
    """Overwriting the hidden state a thought is made from, where it is made from none."""
    chosen = definition.get("thoughts", "all")
    named = chosen == {"first": 1} or (isinstance(chosen, list) and 0 in chosen)
    if definition.get("component") != "pre_projection" or not named:
        return
    for name in study.models_of(sweep):
        model = study.models.get(name)
        if model is not None and getattr(model, "prompt_style", None) == "seed":
            what = f"thought 0 of model '{name}' is the begin-of-thought token itself"
            yield Finding(where, what, "Leave thought 0 out, or use prompt style codi-eval.")


def _wrong_thoughts(
    study: Study, sweep: str, where: str, chosen: str | dict | list
) -> Iterator[Finding]:
    """Positions a model does not have; layers are checked where its depth is known."""
    models = [study.models[name] for name in study.models_of(sweep) if name in study.models]
    thoughts = min((model.thoughts for model in models if model.family == "codi"), default=None)
    if thoughts is None or chosen == "all":
        return
    last = chosen["first"] - 1 if isinstance(chosen, dict) else max(chosen, default=-1)
    first = 0 if isinstance(chosen, dict) else min(chosen, default=-1)
    if first < 0 or last >= thoughts:
        what = f"{chosen} names a thought that does not exist"
        yield Finding(where, what, f"The model has thoughts 0 to {thoughts - 1}.")


def _sieves(study: Study) -> dict[str, Sieve]:
    """Where the file says it → which ablation decides; only what decides for some model."""
    found = {}
    for name, model in study.models.items():
        own = getattr(model, "sieve", None)
        found[f"models.{name}.sieve" if own else "sieve"] = study.sieve_of(name)
    return found


def _wrong_sieve(study: Study) -> Iterator[Finding]:
    """Models that would be run, but never judged."""
    for name, model in study.models.items():
        sieve = study.sieve_of(name)
        if sieve.sweep not in study.sweeps:
            continue
        if name not in study.models_of(sieve.sweep):
            where = f"sweeps.{sieve.sweep}.models"
            what = f"model '{name}' does not take part in the sweep that decides"
            mend = f"Add it there, say in models.{name}.sieve what decides, or remove the model."
            kinds = study.sweeps[sieve.sweep].kinds
            if len(kinds) > 1:
                what += ", some of whose conditions are of thoughts and some of written reasoning"
                mend = "Put those of written reasoning into a sweep of their own."
            yield Finding(where, what, mend)
        elif model.family == "imported" and model.ablation != sieve.ablation:
            yield Finding(
                f"models.{name}.ablation",
                f"'{model.ablation}' is not the ablation that decides",
                f"Write '{sieve.ablation}', as sieve.ablation says.",
            )


def _wrong_targets(study: Study) -> Iterator[Finding]:
    draw = study.draw
    if (draw.targets is None) == (draw.total is None):
        yield Finding("draw", "needs either targets or total", "Give one of them.")
    if study.strata.by != "steps":
        return  # the strata are known only once the problems are read
    for stratum in draw.targets or {}:
        if stratum not in (*STRATA, UNKNOWN):
            yield _unknown("draw.targets", stratum, (*STRATA, UNKNOWN))


def _unknown(where: str, name: str, known: Iterable[str]) -> Finding:
    return Finding(where, f"there is no '{name}'", f"Use one of: {', '.join(known)}.")


def _wrong_switches(study: Study) -> Iterator[Finding]:
    """What is told a chat template that is not used, or that it is told anyway."""
    for name, model in study.models.items():
        if model.family != "reasoning":
            continue
        where = f"models.{name}.style.template"
        if model.style.template and model.style.prompt != "chat":
            what = "only a chat template can be told something, and the prompt is another"
            yield Finding(where, what, "Add prompt: chat, or remove it.")
        for key in TOLD_ANYWAY.intersection(model.style.template):
            yield Finding(f"{where}.{key}", "a template is told this anyway", "Remove it.")


TOLD_ANYWAY = {"messages", "tools", "documents", "add_generation_prompt"}


def _wrong_anchors(study: Study) -> Iterator[Finding]:
    """Models whose traces have no sentences, or none of which two rollouts would differ."""
    if study.anchors and not (study.anchors.models or study.anchors.published):
        yield Finding("anchors.models", "no model is named", "Name models that write reasoning.")
    for name in study.anchors.computed if study.anchors else ():
        model = study.models.get(name)
        if model is None:
            yield _unknown("anchors.models", name, study.models)
        elif model.family != "reasoning":
            what = f"model '{name}' writes no reasoning"
            yield Finding("anchors.models", what, "Name models of family reasoning.")
        elif study.decoding_of(name).temperature == 0:
            what = f"greedy rollouts of model '{name}' around a sentence are all the same"
            mend = "Set its decoding.temperature above 0; published are 0.6, and top_p 0.95."
            yield Finding(f"models.{name}.decoding", what, mend)


CHECKS: dict[Callable[[Study], Iterator[Finding]], tuple[str, ...]] = {
    _unknown_ablations: (
        "sieve", "models.*.sieve", "sweeps.keys", "sweeps.*.conditions.keys", "sweeps.*.grid",
    ),
    _unknown_models: ("models.keys", "sweeps.*.models"),
    _unknown_sources: ("sources.keys", "sweeps.*.reference.source"),
    _wrong_conditions: ("sweeps.keys", "sweeps.*.conditions.keys", "sweeps.*.grid"),
    _wrong_definitions: (
        "models.*.family", "models.*.thoughts", "models.*.prompt_style", "sweeps.*.conditions",
        "sweeps.*.grid", "sweeps.*.models",
    ),
    _wrong_sieve: (
        "sieve", "models.*.sieve", "models.*.family", "models.*.ablation", "sweeps.keys",
        "sweeps.*.conditions.*.reasoning", "sweeps.*.conditions.*.attention", "sweeps.*.models",
    ),
    _wrong_targets: ("draw.targets", "draw.total", "strata.by"),
    _unlike_strata: ("existing", "strata.by"),
    _wrong_decoding: (
        "decoding.temperature", "decoding.samples", "models.*.decoding.temperature",
        "models.*.decoding.samples", "models.*.family",
    ),
    _wrong_switches: ("models.*.style", "models.*.family"),
    _wrong_anchors: (
        "anchors.models", "models.keys", "models.*.family", "decoding.temperature",
        "models.*.decoding.temperature",
    ),
    _wrong_writer: ("models.*.writer", "models.*.precision", "models.*.family", "engine.device"),
    _nothing_to_publish: (
        "publish.traces", "publish.fill", "publish.fill_round", "models.*.family",
        "models.*.traces", "sources.*.chain_below", "quality.model", "quality.positions",
        "engine.shard_size",
    ),
}  # fmt: skip
"""Check → the values of a study it reads; see `_decides`."""
