"""What a study file may say: the typed, frozen meaning of `config/*.yaml`.

Read by the Snakefile and by the code that re-reads a shard's problems; never by the engine, so a
new key here cannot make a GPU result stale.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from cotsieve.ground.faults import BadInput, Finding
from cotsieve.study.about import About
from cotsieve.study.conditions import AnyCondition, Grid, TextCondition, expanded
from cotsieve.study.consistency import contradictions
from cotsieve.study.families import forgotten_families, with_families
from cotsieve.study.mistakes import mistakes, placed
from cotsieve.study.model_settings import Decoding, ImportedModel, Model, ReasoningModel, Sieve
from cotsieve.study.part import Count, Name, Part, Revision, decided
from cotsieve.study.repaired import repaired


class HubFile(Part):
    """A split of a dataset on the Hugging Face hub, as Parquet, at a pinned commit."""

    repo: str
    config: str = "default"
    split: str
    revision: Revision
    rows: Count
    """Rows of the split, so that the plan is known before anything is fetched."""


class Columns(Part):
    """The user's own column names."""

    question: str | None = None
    solution: str | None = None
    answer: str | None = None
    id: str | None = None
    steps: str | None = None
    reasoning: str | None = None
    """A written chain of thought, for models whose traces are given."""


class Source(Part):
    """Where problems come from."""

    path: str | None = None
    hub: HubFile | None = None
    format: Literal[
        "gsm8k", "pairs", "cot_all", "columns", "math", "math500", "deepscaler", "am"
    ] = "gsm8k"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"
    bad_rows: Literal["stop", "record"] = "stop"
    """A row that cannot be used stops the study, or is recorded as failed with its reason."""
    chain_below: Count | None = None
    """Only problems whose own chain of thought, their reasoning or solution, has fewer words than
    this; 1: those without any. For filling them with verified traces."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Source":
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either path or hub")
        if self.format == "columns" and not self.columns.question:
            raise ValueError("format columns needs columns.question")
        return self


class Exclusion(Part):
    """Problems to leave out, by question text or by id."""

    path: str
    format: Literal[
        "gsm8k", "pairs", "cot_all", "columns", "math", "math500", "deepscaler", "am", "text"
    ] = "gsm8k"
    by: Literal["question", "id"] = "question"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"


class Select(Part):
    """Which rows of the sources are candidates."""

    limit: Count | None = None
    """Candidates over all sources, in order, after exclusion."""
    exclude: list[Exclusion] = Field(default_factory=list)


class Existing(Part):
    """Problems already known to need their chain of thought; always kept."""

    path: str
    variant: Literal["clean", "corrupted"] = "clean"


class Reference(Part):
    """Problems whose activations give means and donors: the first rows of a source."""

    source: Name | None = None
    """Default: the first source."""
    problems: Annotated[int, Field(ge=2)] = 64


class Sweep(Part):
    """Conditions that run together; the baseline is always among them."""

    conditions: dict[Name, AnyCondition] = Field(default_factory=dict)
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
        texts = [isinstance(what, TextCondition) for what in self.conditions.values()]
        return "reasoning" if any(texts) else "latent"

    def all_conditions(self) -> dict[str, dict[str, Any]]:
        """Name → plain definition, in order, without the baseline."""
        named = {name: decided(condition) for name, condition in self.conditions.items()}
        return named | self.grid_conditions()

    def grid_conditions(self) -> dict[str, dict[str, Any]]:
        """The conditions that the grid makes."""
        return expanded(self.grid) if self.grid else {}


class Grading(Part):
    grader: Literal["numbers", "original", "codi", "math", "r2a"] = "numbers"
    tolerance: Annotated[float, Field(ge=0)] = 0.01


class Draw(Part):
    """How the dataset is drawn from the problems that passed."""

    targets: dict[str, Annotated[int, Field(ge=0)]] | None = None
    """Problems per stratum."""
    total: Count | None = None
    """Instead of targets: so many problems, over the strata in proportion to what passed."""
    method: Literal["seeded", "original"] = "seeded"
    """`original` replays the published procedure and its global random state."""
    seed: int = 42
    on_shortage: Literal["warn", "fail"] = "warn"


class Strata(Part):
    """What problems are sorted by."""

    by: Literal["steps", "level", "subject", "level-subject", "solution-length", "source"] = "steps"
    parts: Count = 4
    """Groups of solution lengths."""


class PublishTraces(Part):
    """Which verified traces of models that write their reasoning become a dataset."""

    choose: Literal["shortest", "first", "random"] = "shortest"
    per_problem: Count = 1
    seed: int = 0
    least_tokens: Annotated[int, Field(ge=0)] | Literal["exploratory"] = 0
    """Of the thought; shorter ones are not published. exploratory: what `quality` calls so."""


class Publish(Part):
    """What is written to be given away, besides the dataset of problems."""

    about: About = About()
    traces: PublishTraces | None = None
    fill: Annotated[float, Field(gt=0, le=1)] | None = None
    """The part of all problems that is to have a chain of thought: verified traces are put in for
    missing and short ones (see chain_below of a source) until it is reached."""
    fill_round: Count | None = None
    """Rows of a source that are traced at a time, for as long as that part is not reached; default:
    all at once."""


class Quality(Part):
    """How the solutions of a source are judged as chains of thought."""

    model: Name | None = None
    """Whose tokenizer and positions count; default: words."""
    positions: Count | None = None
    """Instead of those in the model's configuration."""
    exploratory: Annotated[float, Field(gt=0, le=1)] = 0.015625
    """The part of the positions from which on a chain counts as exploratory."""
    against: list[Exclusion] = Field(default_factory=list)
    """Files in which to look for the same questions."""


class Engine(Part):
    """How much is done at once; nothing here changes a result."""

    batch_rows: Count | Literal["auto"] = 64
    """Problems × conditions in one batch; auto: as many as fit the memory and gain speed. It
    changes no result, but where a model's precision lets a row depend on its company."""
    shard_size: Count = 250
    """Rows of a source in one job."""
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
        Field(min_length=1),
    ]
    decoding: Decoding = Decoding()
    sweeps: Annotated[dict[Name, Sweep], Field(min_length=1)]
    sieve: Sieve
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


def read_study(config: dict[str, Any], origin: str = "config") -> Study:
    """Check a study given as plain values.

    Raises BadInput with every wrong key at once: its path, the value found, and the mend.
    """
    config = {key: value for key, value in config.items() if not str(key).startswith("_")}
    models, forgotten = config.get("models"), []
    if isinstance(models, dict):
        config = config | {"models": with_families(models)}
        forgotten = placed(origin, forgotten_families(models))
    wrong: list[Finding] = []
    try:
        judged = Study.model_validate(config), []
    except ValidationError as error:
        wrong = mistakes(origin, error.errors(), _known_keys())
        judged = repaired(config, error.errors(), Study.model_validate, _known_keys())
    across = placed(origin, contradictions(*judged)) if judged else []
    if forgotten or wrong or across:
        raise BadInput([*forgotten, *wrong, *across])
    return judged[0]


def _known_keys() -> list[str]:
    return sorted({key for part in Part.__subclasses__() for key in part.model_fields})
