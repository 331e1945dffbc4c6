"""What a study file may say: the typed, frozen meaning of `config/*.yaml`.

Read by the Snakefile and by the code that re-reads a shard's problems; never by the engine, so a
new key here cannot make a GPU result stale.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from cotsieve.study.settings.anchors import Anchors
from cotsieve.study.settings.conditions import (
    MOST_CONDITIONS,
    AnyCondition,
    Grid,
    TextCondition,
    expanded,
)
from cotsieve.study.settings.models import Decoding, ImportedModel, Model, ReasoningModel, Sieve
from cotsieve.study.settings.outcome import Draw, Grading, Publish, Quality, Strata
from cotsieve.study.settings.part import Count, Name, Part, decided
from cotsieve.study.settings.sources import Existing, Select, Source


class Reference(Part):
    """Problems whose activations give means and donors: those of a source whose question has the
    smallest digest."""

    source: Name | None = None
    """Default: the first source."""
    problems: Annotated[int, Field(ge=2)] = 64


class Sweep(Part):
    """Conditions that run together; the baseline is always among them."""

    conditions: dict[Name, AnyCondition] = Field(default_factory=dict, max_length=MOST_CONDITIONS)
    grid: Grid | None = None
    models: list[Name] | None = None
    """Default: every model."""
    reference: Reference = Reference()

    def place(self, sweep: str, condition: str) -> str:
        """Where the file says what a condition does."""
        return f"sweeps.{sweep}." + (
            f"conditions.{condition}" if condition in self.conditions else "grid"
        )

    @property
    def needs_reference(self) -> bool:
        """Whether a condition takes means or donors from reference problems."""
        kinds = {
            what.get("operation") or what.get("reasoning")
            for what in self.all_conditions().values()
        }
        return bool(kinds & {"mean", "resample", "swap"})

    @property
    def family(self) -> str:
        """The family of models its conditions are made for, when none are named."""
        return "reasoning" if "reasoning" in self.kinds else "latent"

    @property
    def kinds(self) -> set[str]:
        """Whether its conditions change written reasoning, thoughts, or some this and some that."""
        texts = (isinstance(what, TextCondition) for what in self.conditions.values())
        return {"reasoning" if text else "latent" for text in texts}

    def all_conditions(self) -> dict[str, dict[str, Any]]:
        """Name → plain definition, in order, without the baseline."""
        named = {name: decided(condition) for name, condition in self.conditions.items()}
        return named | self.grid_conditions()

    def grid_conditions(self) -> dict[str, dict[str, Any]]:
        """The conditions that the grid makes."""
        return expanded(self.grid) if self.grid else {}


class Engine(Part):
    """How much is done at once; nothing here changes a result."""

    batch_rows: Count | Literal["auto"] = 64
    """Problems × conditions in one batch; auto: as many as fit the memory and gain speed. It
    changes no result, but where a model's precision lets a row depend on its company."""
    shard_size: Count | Literal["auto"] = "auto"
    """Rows of a source in one job. auto: 250, doubled while there are more than 500 shards."""
    device: str = "auto"
    ahead: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    """How many other shards a job works on once its model is loaded, so that the load is paid once.
    auto: all of them where the machine's only GPU is used, else none."""
    held_rows: Count = 65_536
    """Rows (problems × conditions × samples) a job makes together, whatever the size of its shard;
    a larger one is worked through part by part."""
    keep_problems: Count = 200
    """A job that is killed loses at most so many finished problems,"""
    keep_seconds: Annotated[float, Field(gt=0)] = 30.0
    """and at most the work of so many seconds and one batch."""


class Study(Part):
    """One study: everything that decides its results."""

    study: Name
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
    select: Select = Select()
    existing: Existing | None = None
    models: Annotated[
        dict[
            Name, Annotated[Model | ReasoningModel | ImportedModel, Field(discriminator="family")]
        ],
        Field(min_length=1, max_length=200),
    ]
    decoding: Decoding = Decoding()
    sweeps: Annotated[dict[Name, Sweep], Field(min_length=1)]
    sieve: Sieve
    anchors: Anchors | None = None
    grading: Grading = Grading()
    strata: Strata = Strata()
    draw: Draw
    publish: Publish = Publish()
    quality: Quality = Quality()
    engine: Engine = Engine()

    def models_of(self, sweep: str) -> list[str]:
        """The models that take part in a sweep: those it names, or all its conditions fit."""
        named = self.sweeps[sweep].models
        if named is not None:
            return named
        wanted = self.sweeps[sweep].family
        return [
            name
            for name, model in self.models.items()
            if (model.family == "reasoning") == (wanted == "reasoning")
        ]

    def decoding_of(self, model: str) -> Decoding:
        """How a model's text is decoded."""
        return getattr(self.models[model], "decoding", None) or self.decoding

    def sieve_of(self, model: str) -> Sieve:
        """Which ablation decides for a model."""
        return getattr(self.models[model], "sieve", None) or self.sieve
