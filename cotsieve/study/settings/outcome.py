"""What a study file may say about what comes out: verdicts, strata, the draw, what is published."""

import datetime
from typing import Annotated, Literal

from pydantic import Field

from cotsieve.study.settings.part import Count, Name, Part
from cotsieve.study.settings.sources import Exclusion

Grader = Literal["numbers", "original", "codi", "math", "r2a", "thought-anchors"]


SYMBOLIC = ("math", "r2a")
"""Graders that compare answers in LaTeX."""


class Grading(Part):
    grader: Grader = "numbers"
    tolerance: Annotated[float, Field(ge=0)] = 0.01


class Require(Part):
    """What must hold for a dataset to be drawn."""

    net: bool | None = None
    """More answers break under the ablation than are right only under it. Default: asked for when
    the dataset is published, and not before."""


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
    require: Require = Require()


class Strata(Part):
    """What problems are sorted by."""

    by: Literal["steps", "level", "subject", "level-subject", "solution-length", "source"] = "steps"
    parts: Count = 4
    """Groups of solution lengths."""


class About(Part):
    """Facts of a publication; none of them changes a row."""

    license: Annotated[str, Field(min_length=1)] | None = None
    """An identifier of the Hugging Face hub, such as cc-by-4.0; default: other."""
    creator: Annotated[str, Field(min_length=1)] | None = None
    """The person who publishes it."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """Of the problems, as ISO 639: en, zh; default: en."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """The page of the dataset."""
    date: Annotated[datetime.date, Field(strict=False)] | None = None
    """When it was published, as 2026-01-31; asked for, since equal studies give equal bytes."""
    citation: Annotated[str, Field(min_length=1)] | None = None
    """How to cite it, as BibTeX."""


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
