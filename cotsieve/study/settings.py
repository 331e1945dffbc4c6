"""What a study file may say: the typed, frozen meaning of `config/*.yaml`.

Read by the Snakefile and by the code that re-reads a shard's problems; never by the engine, so a
new key here cannot make a GPU result stale.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cotsieve.ground.faults import BadInput
from cotsieve.study.consistency import contradictions
from cotsieve.study.mistakes import mistakes

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
"""A name that becomes part of a path: letters, digits and . _ + - only."""
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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


class Source(Part):
    """Where problems come from."""

    path: str | None = None
    hub: HubFile | None = None
    format: Literal["gsm8k", "pairs", "cot_all", "columns"] = "gsm8k"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"
    bad_rows: Literal["stop", "record"] = "stop"
    """A row that cannot be used stops the study, or is recorded as failed with its reason."""

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
    format: Literal["gsm8k", "pairs", "cot_all", "columns", "text"] = "gsm8k"
    by: Literal["question", "id"] = "question"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"


class Select(Part):
    """Which rows of the sources are candidates."""

    limit: Count | None = None
    """Candidates over all sources, in order, after exclusion."""
    exclude: list[Exclusion] = []


class Existing(Part):
    """Problems already known to need their chain of thought; always kept."""

    path: str
    variant: Literal["clean", "corrupted"] = "clean"


class Lora(Part):
    rank: Count | None = None
    """Checked against the file when given."""
    alpha: float


class Model(Part):
    """A latent chain-of-thought checkpoint and the way it is run."""

    family: Literal["codi"] = "codi"
    checkpoint: str
    """Folder or file with the weights, or a hub repository."""
    revision: Revision | None = None
    base: str
    """Folder with config and tokenizer of the base model, or a hub repository."""
    base_revision: Revision | None = None
    lora: Lora
    thoughts: Count = 6
    prompt_style: Literal["codi-eval", "seed"] = "codi-eval"
    remove_eos: bool = True
    """False: the model was trained with an end-of-sequence token before and after its thoughts."""
    collapse_spaces: bool | None = None
    """Read two spaces in a question as one; default: with prompt style codi-eval, as published."""
    precision: Literal["float32", "tf32", "bf16", "fp16"] = "float32"


class ImportedModel(Part):
    """Finished rollouts of the published script, imported instead of computed."""

    family: Literal["imported"]
    results: str
    """Its checkpoint file, gsm8k_expansion_checkpoint.json format."""
    ablation: Name
    """The condition its ablated predictions stand for."""


class FirstThoughts(Part):
    first: Count


class Condition(Part):
    """An intervention; what it does is said here, never by its name."""

    operation: Literal[
        "zero",
        "mean",
        "noise",
        "resample",
        "patch",
        "remove",
        "discretize",
        "discretize_norm",
        "project",
        "replace",
    ]
    layer: Literal["early", "middle", "late"] | int | float | None = None
    """Needed unless the component is pre_projection."""
    component: Literal["resid_pre", "resid_post", "pre_projection"] = "resid_post"
    """pre_projection: the final hidden state from which a thought is made."""
    thoughts: Literal["all"] | FirstThoughts | list[int] = "all"
    rest: Literal["free", "frozen"] = "free"
    scope: Literal["latent", "seed"] = "latent"
    read: Literal["same", "input"] = "same"
    scale: Annotated[float, Field(gt=0)] = 1.0
    units: Literal["relative", "absolute"] = "relative"
    seed: int = 0
    activations: str = "self"
    where: Literal["all", "numbers"] = "all"
    """pre_projection: everywhere, or where the top token of the hidden state is a number."""
    top: Literal[1, 5] = 1
    rescale: bool = False
    token: str | None = None
    strength: float = 3.0

    @model_validator(mode="after")
    def _fits_its_component(self) -> "Condition":
        wrong = list(self._misplaced())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _misplaced(self):
        tokens = ("remove", "discretize", "discretize_norm", "project", "replace")
        if self.component == "pre_projection":
            if self.layer is not None:
                yield "component pre_projection has no layer"
            if self.scope == "seed":
                yield "component pre_projection cannot have scope seed"
            if self.read == "input":
                yield "component pre_projection cannot read the input of a block"
        else:
            if self.layer is None:
                yield f"component {self.component} needs a layer"
            if self.operation in tokens:
                yield f"operation {self.operation} needs component pre_projection"
            if self.where == "numbers":
                yield "where: numbers needs component pre_projection"
        if (self.operation == "replace") != (self.token is not None):
            yield "token is needed by operation replace, and by no other"
        if self.operation != "project" and (self.top != 1 or self.rescale):
            yield "top and rescale belong to operation project"


class Grid(Part):
    """Conditions for every combination of these; named operation-layer-thoughts."""

    operation: list[Literal["zero", "mean", "noise", "resample"]]
    layer: list[Literal["early", "middle", "late"] | int | float]
    thoughts: list[Literal["all"] | FirstThoughts | list[int]]
    component: Literal["resid_pre", "resid_post"] = "resid_post"
    rest: Literal["free", "frozen"] = "free"
    scope: Literal["latent", "seed"] = "latent"
    scale: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0


class Reference(Part):
    """Problems whose activations give means and donors: the first rows of a source."""

    source: Name | None = None
    """Default: the first source."""
    problems: Annotated[int, Field(ge=2)] = 64


class Sweep(Part):
    """Conditions that run together; the baseline is always among them."""

    conditions: dict[Name, Condition] = {}
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
        operations = {what["operation"] for what in self.all_conditions().values()}
        return bool(operations & {"mean", "resample"})

    def all_conditions(self) -> dict[str, dict[str, Any]]:
        """Name → plain definition, in order, without the baseline."""
        named = {name: plain(condition) for name, condition in self.conditions.items()}
        return named | self.grid_conditions()

    def grid_conditions(self) -> dict[str, dict[str, Any]]:
        """The conditions that the grid makes."""
        return _expanded(self.grid) if self.grid else {}


class Decoding(Part):
    max_new_tokens: Count = 256
    stop_at: Literal["eos", "number"] = "eos"
    """number: an answer also ends with its first token that begins with a digit, as in the
    published pre-projection interventions; the token that ends it is then part of it."""


class Grading(Part):
    grader: Literal["numbers", "original", "codi"] = "numbers"
    tolerance: Annotated[float, Field(ge=0)] = 0.01


class Sieve(Part):
    """Which ablation decides that a problem needs its chain of thought."""

    sweep: Name
    ablation: Name


class Draw(Part):
    """How the dataset is drawn from the problems that passed."""

    targets: dict[str, Annotated[int, Field(ge=0)]]
    method: Literal["seeded", "original"] = "seeded"
    """`original` replays the published procedure and its global random state."""
    seed: int = 42
    on_shortage: Literal["warn", "fail"] = "warn"


class Engine(Part):
    """How much is done at once; nothing here changes a result."""

    batch_rows: Count = 64
    """Problems × conditions in one batch."""
    shard_size: Count = 250
    """Rows of a source in one job."""
    device: str = "auto"
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
        dict[Name, Annotated[Model | ImportedModel, Field(discriminator="family")]],
        Field(min_length=1),
    ]
    decoding: Decoding = Decoding()
    sweeps: Annotated[dict[Name, Sweep], Field(min_length=1)]
    sieve: Sieve
    grading: Grading = Grading()
    draw: Draw
    engine: Engine = Engine()

    def models_of(self, sweep: str) -> list[str]:
        """The models that take part in a sweep."""
        return self.sweeps[sweep].models or list(self.models)


def read_study(config: dict[str, Any], origin: str = "config") -> Study:
    """Check a study given as plain values.

    Raises BadInput with every wrong key at once: its path, the value found, and the mend.
    """
    config = {key: value for key, value in config.items() if not key.startswith("_")}
    models = config.get("models")
    if isinstance(models, dict):  # `codi` may be left out
        models = {
            name: {"family": "codi", **model} if isinstance(model, dict) else model
            for name, model in models.items()
        }
        config = config | {"models": models}
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        raise BadInput(mistakes(origin, error.errors(), _known_keys())) from None
    findings = contradictions(study, origin)
    if findings:
        raise BadInput(findings)
    return study


def plain(part: Part) -> dict[str, Any]:
    """Plain values in a fixed order, as rules pass them on."""
    return part.model_dump(mode="json")


def _expanded(grid: Grid) -> dict[str, dict[str, Any]]:
    shared = {"component": grid.component, "rest": grid.rest, "scope": grid.scope}
    shared |= {"scale": grid.scale, "seed": grid.seed}
    return {
        f"{operation}-{layer}-{_thoughts_name(thoughts)}": plain(
            Condition(operation=operation, layer=layer, thoughts=thoughts, **shared)
        )
        for operation in grid.operation
        for layer in grid.layer
        for thoughts in grid.thoughts
    }


def _thoughts_name(thoughts: str | FirstThoughts | list[int]) -> str:
    if isinstance(thoughts, FirstThoughts):
        return f"first{thoughts.first}"
    return thoughts if isinstance(thoughts, str) else "at" + "+".join(map(str, thoughts))


def _known_keys() -> list[str]:
    return sorted({key for part in Part.__subclasses__() for key in part.model_fields})
