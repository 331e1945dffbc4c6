"""The golden outputs of the published code on a tiny model, and how the engine is run on them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cotsieve.engine.decoding import Completion
from cotsieve.engine.latent.edits import Reference
from cotsieve.engine.latent.engine import Observer
from cotsieve.engine.latent.model import LatentModel, load_latent_model
from cotsieve.engine.latent.work import Chosen, Work
from cotsieve.interventions.thoughts import Intervention

THOUGHTS = 6
DONOR_PATCH = "donor"
"""Stands for the file of the donors' activations, which the tests pass in directly."""


class Group(NamedTuple):
    """How a group of golden conditions is run."""

    prompt_style: str
    remove_eos: bool = True
    collapse_spaces: bool | None = None
    stop_at: str = "eos"


GROUPS = {
    "seed": Group("seed"),
    "latent_only": Group("seed"),
    "codi_eval": Group("codi-eval"),
    "keep_eos": Group("codi-eval", remove_eos=False),
    "pre_projection": Group("codi-eval", collapse_spaces=False, stop_at="number"),
}

PRE_PROJECTION = {
    "zero": {"operation": "zero"},
    "average": {"operation": "mean"},
    "minus": {"operation": "remove"},
    "discretize": {"operation": "discretize"},
    "discretize_ln": {"operation": "discretize_norm"},
    "proj1": {"operation": "project", "top": 1},
    "proj5": {"operation": "project", "top": 5, "rescale": True},
    "proj5_unnorm": {"operation": "project", "top": 5},
    "replacement": {"operation": "replace", "token": "5", "strength": 3.0},
}


def intervention(group: str, name: str, layers: dict[str, int]) -> Intervention | None:
    """What a golden condition means."""
    if name.startswith("baseline"):
        return None
    if group == "pre_projection":
        kind, _, where = name.rpartition("_")
        every = tuple(range(THOUGHTS))
        return Intervention(
            block=-1,
            thoughts=every,
            component="pre_projection",
            where=where,
            **PRE_PROJECTION[kind],
        )
    shifted = name.endswith("_index_shift")
    kind, which, *_, layer = name.removesuffix("_index_shift").split("_")
    single = which.startswith("pos")
    scope = "seed" if group == "seed" else "latent"
    reads_input = shifted or (group == "seed" and kind != "zero")
    count = int(which.removeprefix("pos" if single else "n"))
    return Intervention(
        operation={"zero": "zero", "mean": "mean", "swap": "patch", "self": "patch"}[kind],
        block=layers[layer],
        thoughts=(count,) if single else tuple(range(count)),
        rest="frozen" if single else "free",
        scope=scope,
        read="input" if reads_input else "same",
        activations=DONOR_PATCH if kind == "swap" else "self",
    )


@dataclass
class Seen(Observer):
    """What the engine computed on the way, by (problem, condition)."""

    first_logits: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    hidden: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    """(1 + thoughts, H): the prompt's last token, then every thought."""
    inputs: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def prompt(self, hidden: Tensor) -> None:
        self._hidden, self._inputs = [hidden], []

    def thought(self, thought: int, inputs: Tensor, hidden: Tensor) -> None:
        self._hidden.append(hidden)
        self._inputs.append(inputs)

    def first_scores(self, chosen: Chosen, scores: Tensor) -> None:
        for row, problem in enumerate(chosen.problems):
            for column, condition in enumerate(chosen.conditions):
                key = (problem, condition)
                self.first_logits[key] = scores[row, column].clone()
                self.hidden[key] = _column(self._hidden, row, column)
                self.inputs[key] = _column(self._inputs, row, column)


def _column(parts: list[Tensor], row: int, column: int) -> Tensor:
    return torch.stack([part[row, column] for part in parts])


class Golden:
    """One golden case: a model, its records, and the engine's results for a group."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.case: dict[str, Any] = json.loads((folder / "expected.json").read_text())
        self.records = self.case["records"]

    def names(self, group: str) -> list[str]:
        """The conditions of a group, the baseline first whether or not it is recorded there."""
        if group == "keep_eos":
            return ["baseline_keep_eos"]
        recorded = [
            name
            for name in self.records[0][group]
            if not name.startswith(("baseline", "left_padded"))
        ]
        return ["baseline_none" if group == "pre_projection" else "baseline", *recorded]

    def expected(self, group: str) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
        """((problem, condition), what was recorded)."""
        where = "codi_eval" if group == "keep_eos" else group
        for condition, name in enumerate(self.names(group)):
            for problem, record in enumerate(self.records):
                if name in record[where]:
                    yield (problem, condition), record[where][name]

    def model(self, group: str, batch_rows: int) -> LatentModel:
        how, facts = GROUPS[group], self.case["model"]
        definition = {
            "lora": {"rank": facts["lora_r"], "alpha": facts["lora_alpha"]},
            "precision": "float32",
            "prompt_style": how.prompt_style,
            "thoughts": THOUGHTS,
            "remove_eos": how.remove_eos,
            "collapse_spaces": how.collapse_spaces,
        }
        return load_latent_model(
            definition,
            {
                "base": self.folder / facts["base_dir"],
                "checkpoint": self.folder / facts["checkpoint_dir"],
            },
            {
                "max_new_tokens": self.case["settings"]["max_new_tokens"],
                "stop_at": how.stop_at,
            },
            device="cpu",
            batch_rows=batch_rows,
        )

    def work(self, group: str, model: LatentModel, records: list[dict[str, Any]]) -> Work:
        layers, donors = self.case["model"]["layers"], self.case["donors"]
        conditions = [intervention(group, name, layers) for name in self.names(group)]
        questions = model.encode([donor["question"] for donor in donors])
        sites = {what.source for what in conditions if what}
        activations = model.engine.activations(questions, sites)
        ids = [donor["id"] for donor in donors]
        donor_rows = [ids.index(record["donor"]) for record in records]
        given = {
            place: activations[what.source][donor_rows]
            for place, what in enumerate(conditions)
            if what and what.activations == DONOR_PATCH
        }
        return Work(
            model.encode([record["question"] for record in records]),
            [record["id"] for record in records],
            conditions,
            Reference(ids, activations),
            given,
        )

    def run(self, group: str, batch_rows: int, every: int = 1) -> "Ran":
        """Run one problem of `every` so many; they are counted in the results."""
        model, seen = self.model(group, batch_rows), Seen()
        work = self.work(group, model, self.records[::every])
        model.engine.observer = seen
        finished = [row for rows in model.engine.run(work) for row in rows]
        return Ran(model, work, dict(finished), len(finished), seen)


class Ran(NamedTuple):
    model: LatentModel
    work: Work
    completions: dict[tuple[int, int], Completion]
    rows: int
    seen: Seen
