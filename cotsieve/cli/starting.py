"""A new study: a commented file for a source of problems and a model, checked as it is written."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cotsieve.cli.data_guess import Guess, of_file, of_hub
from cotsieve.ground.faults import bad
from cotsieve.ground.files import write_text
from cotsieve.ground.hub import explaining
from cotsieve.study.settings.places import located
from cotsieve.study.settings.reading import read_study

LATENT = """\
sweeps:
  main:
    conditions:
      zero-middle: {operation: zero, layer: middle}
      mean-middle: {operation: mean, layer: middle}          # controls: zeroing also breaks an
      resample-middle: {operation: resample, layer: middle}  # answer by corruption

sieve: {sweep: main, ablation: zero-middle}
"""
WRITTEN = """\
sweeps:
  main:
    conditions:
      finished: {reasoning: finished}                 # a thought that is closed before it begins
      half: {reasoning: truncate, fraction: 0.5, answer: forced}
      shuffled: {reasoning: shuffle}

sieve: {sweep: main, ablation: finished}
"""


class Wanted(NamedTuple):
    """What a study is to be about."""

    data: str
    model: str
    base: str
    name: str
    split: str
    subset: str


def write_study(wanted: Wanted, output: Path | None) -> str:
    """Write the study file; what was seen, and what can be done next.

    Raises BadInput for data or a model of which no study can be made, and never writes over a file.
    """
    guess = (
        of_file(wanted.data)
        if _is_file(wanted.data)
        else of_hub(wanted.data, wanted.subset, wanted.split)
    )
    name = _name(wanted.name or Path(wanted.data).name.partition(".")[0])
    file = output or Path("config") / f"{name}.yaml"
    if file.exists():
        raise bad(file, "there is such a file", "Name another by --output or --name.")
    text = _text(name, guess, _model(wanted), latent=bool(wanted.base))
    read_study(yaml.safe_load(text), str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)
    seen = "".join(f"  {line}\n" for line in guess.shown)
    then = f"look at it, then: cotsieve check {file}; cotsieve run {file}"
    return f"{wanted.data}: format {guess.format}\n{seen}{file} is written; {then}\n"


def _is_file(data: str) -> bool:
    """A path that is there, or can be nothing else."""
    return located(data).exists() or data.count("/") != 1 or Path(data).suffix in (".jsonl", ".csv")


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "study"


def _model(wanted: Wanted) -> dict[str, Any]:
    """The keys of the model, a hub repository at its present commit."""
    if not wanted.base:
        folder = located(wanted.model)
        if folder.is_dir() and not (folder / "config.json").is_file():
            mend = "If it is a latent one (CODI), name its base model, too: --base."
            raise bad(folder, "there is no config.json of a language model", mend)
        return {"family": "reasoning", "model": wanted.model} | _revision("revision", wanted.model)
    return {
        "checkpoint": wanted.model,
        **_revision("revision", wanted.model),
        "base": wanted.base,
        **_revision("base_revision", wanted.base),
        "lora": {"alpha": 32},
    }


def _revision(key: str, place: str) -> dict[str, str]:
    if located(place).exists():
        return {}
    from huggingface_hub import HfApi

    with explaining(f"model {place}", "or give the path of a folder.", "there is no such folder"):
        return {key: HfApi().model_info(place).sha}


def _longest(place: str, usual: int) -> int:
    """Tokens a model may write: half of its positions at most, where they are known."""
    file, positions = located(place) / "config.json", None
    if file.is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
        positions = config.get("max_position_embeddings") or config.get("n_positions")
    return min(usual, positions // 2) if positions else usual


def _text(name: str, guess: Guess, model: dict[str, Any], latent: bool) -> str:
    source = guess.origin | {"format": guess.format}
    source |= {"columns": guess.columns} if guess.columns else {}
    place = model["checkpoint" if latent else "model"]
    new = _longest(model["base"], 256) if latent else _longest(place, 4096)
    alpha = "    # alpha: as it was trained; it stands in no checkpoint\n" if latent else ""
    columns = "".join(f"#   {line}\n" for line in guess.shown)
    strata = "drawn in proportion to what there is of each stratum"
    if not guess.has_steps:
        strata = "no column of steps, so all problems are in one stratum"
    return (
        f"# Every key is explained in config/README.md of cotsieve.\nstudy: {name}\n\n"
        f"# Columns of the data, each with a value:\n{columns}"
        f"sources:\n  {name}:\n{_lines(source)}\n"
        f"models:\n  {_name(Path(place).name)}:\n{_lines(model)}{alpha}\n"
        f"decoding: {{max_new_tokens: {new}}}\n\n"
        f"{LATENT if latent else WRITTEN}\n"
        f"grading: {{grader: {guess.grader}}}  # numbers, math (LaTeX), and others\n\n"
        f"draw: {{total: 100}}  # {strata}\n"
    )


def _lines(values: dict[str, Any]) -> str:
    """Keys with their values, each in one line."""
    style = {"default_flow_style": True, "sort_keys": False, "width": 10**6}
    lines = ((key, yaml.safe_dump(value, **style).splitlines()[0]) for key, value in values.items())
    return "".join(f"    {key}: {value}\n" for key, value in lines)
