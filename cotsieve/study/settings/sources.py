"""What a study file may say about its problems: sources, exclusions, problems known already."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cotsieve.study.settings.part import Count, FilePath, Part, Revision, plain


class HubFile(Part):
    """A split of a dataset on the Hugging Face hub, as Parquet, at a pinned commit."""

    repo: str
    config: str = "default"
    split: str
    revision: Revision
    rows: Annotated[int, Field(ge=1, le=10**8)]
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

    path: FilePath | None = None
    hub: HubFile | None = None
    format: Literal[
        "gsm8k", "pairs", "cot_all", "columns", "math", "math500", "deepscaler", "am"
    ] = "gsm8k"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"
    where: dict[str, list[str | int | float | bool]] = Field(default_factory=dict)
    """Field → the values of the rows that are asked for; messages.0.info.source leads into one."""
    answers: Literal["column", "boxed"] = "column"
    """Where format columns has its answers: in theirs, or in the last box of the solution."""
    unanswered: Literal["bad", "leave_out"] | None = None
    """Rows without an answer are bad rows, or are counted and left out. Default: leave_out for
    format am, of whose rows most are programs and instructions."""
    bad_rows: Literal["stop", "record"] = "stop"
    """A row that cannot be used stops the study, or is recorded as failed with its reason."""
    chain_below: Count | None = None
    """Only problems whose own chain of thought, their reasoning or solution, has fewer words than
    this; 1: those without any. For filling them with verified traces."""

    @property
    def asks_for_all(self) -> bool:
        """Whether every row is a problem of the study, usable or not."""
        unanswered = self.unanswered or ("leave_out" if self.format == "am" else "bad")
        return not (self.chain_below or self.where or unanswered == "leave_out")

    @model_validator(mode="after")
    def _one_origin(self) -> "Source":
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either path or hub")
        if self.format == "columns" and not self.columns.question:
            raise ValueError("format columns needs columns.question")
        return self


class Exclusion(Part):
    """Problems to leave out, by question text or by id."""

    path: FilePath
    format: Literal[
        "gsm8k", "pairs", "cot_all", "columns", "math", "math500", "deepscaler", "am", "text"
    ] = "gsm8k"
    by: Literal["question", "id"] = "question"
    columns: Columns = Columns()
    variant: Literal["clean", "corrupted"] = "clean"


class Sample(Part):
    """Candidates drawn from those that are not excluded."""

    rows: Count
    seed: int = 0
    by: Literal["problem", "stratum"] = "problem"
    """problem: all alike. stratum: equally many of each stratum, as far as it has them."""


class Select(Part):
    """Which rows of the sources are candidates."""

    sample: Sample | None = None
    """Before `limit`; which are drawn does not depend on the order of rows."""
    limit: Count | None = None
    """Candidates over all sources, in order, after exclusion."""
    exclude: list[Exclusion] = Field(default_factory=list)


class Existing(Part):
    """Problems already known to need their chain of thought; always kept."""

    path: FilePath
    variant: Literal["clean", "corrupted"] = "clean"


def exclusion_definition(item: Exclusion) -> dict[str, object]:
    """How an exclusion list is read, without where it lies."""
    definition = plain(item)
    columns = {key: column for key, column in definition["columns"].items() if column}
    field = columns.get("id") if item.by == "id" else columns.get("question")
    return {
        "format": item.format,
        "by": item.by,
        "field": field,
        "columns": columns,
        "variant": item.variant,
    }


def source_definition(source: Source) -> dict[str, object]:
    """How a source is read, without where it lies."""
    definition = plain(source)
    columns = {key: column for key, column in definition["columns"].items() if column}
    return {
        "format": source.format,
        "columns": columns,
        "id": columns.get("id"),
        "variant": source.variant,
        "bad_rows": source.bad_rows,
        **({"chain_below": source.chain_below} if source.chain_below else {}),
        **({"where": definition["where"]} if source.where else {}),
        **({"answers": source.answers} if source.answers != "column" else {}),
        **({"unanswered": source.unanswered} if source.unanswered else {}),
    }
