"""What a study file may say about the sentences of traces: which of them matter, and how that is
found out."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cotsieve.study.settings.outcome import Grader
from cotsieve.study.settings.part import Count, Name, Part, Revision

WORDS = "words"
"""Instead of an embedding model: likeness by wording."""
Share = Annotated[float, Field(ge=0, le=1)]


class Choose(Part):
    """Which traces are looked at, by the baseline samples."""

    accuracy: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field([0.25, 0.75])
    """Only problems of which this share of the samples is right, from one to the other."""
    base: Literal["correct", "incorrect", "both"] = "correct"
    problems: Count | None = None
    """The first so many that qualify; default: all."""
    grader: Grader = "math"
    """What is right here; not that of the study, so that another one there changes no choice."""

    @model_validator(mode="after")
    def _rising(self) -> "Choose":
        if self.accuracy[0] > self.accuracy[1]:
            raise ValueError("accuracy goes from the smaller share to the larger one")
        return self


class Sentences(Part):
    """Which sentences of a trace get rollouts."""

    most: Count = 275
    """Longer traces are not chosen."""
    every: Count = 1
    """Only each so-many-th, from the first, and the last."""


class Published(Part):
    """Finished rollouts around sentences, imported instead of computed: no model is run."""

    anchors_from: str
    """Folder of problem_<id> folders, or of the files of a hub table that holds them, or of a table
    of rollouts and one of problems."""
    anchors_under: str = ""
    """Of a hub table only the paths that start with this."""


class Anchors(Part):
    """Thought Anchors (arXiv 2506.19143): rollouts around the sentences of baseline traces."""

    models: list[Name] = Field(default_factory=list)
    """Models that write their reasoning; published ones take part in any case."""
    published: dict[Name, Published] = Field(default_factory=dict)
    """In a study file they stand among the models."""
    choose: Choose = Choose()
    rollouts: Count = 100
    """Per sentence, which they write anew."""
    forced: Annotated[int, Field(ge=0)] = 30
    """Answers forced before each sentence; 0: none."""
    score: bool = True
    """How likely the reference answer is after every sentence, kept and altered; nothing is
    written for it."""
    prefix: Literal["as-written", "joined", "reference"] = "as-written"
    """What is read before a sentence: the trace's own text, the sentences joined by blanks, as
    published, or as the published code joins them."""
    sentences: Sentences = Sentences()
    embeddings: str = "sentence-transformers/all-MiniLM-L6-v2"
    """Folder or hub repository of a sentence-transformers model, or `words`, which needs none."""
    embeddings_revision: Revision | None = None
    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.8
    """A replacement with a smaller cosine is another sentence."""
    alpha: Annotated[float, Field(gt=0)] = 0.5
    """Added to every answer before KL is taken; the published columns keep their own."""
    least_dissimilar: Count = 5
    """Counterfactual measures need so many rollouts with another sentence."""
    grader: Grader | None = None
    """Default: that of the study."""
    labels: Literal["built-in", "none"] = "built-in"
    """What each sentence does, and on which it depends, where that is not published."""
    pairs: Annotated[int, Field(ge=0)] | None = None
    """Rollouts per sentence looked through for what one does for another; 0: none; default: all."""
    draws: Count = 1000
    """Of the bootstrap and of the permutation test."""
    seed: int = 0

    @property
    def computed(self) -> list[str]:
        """The models that are run."""
        return [name for name in self.models if name not in self.published]


def with_published(config: dict[str, Any]) -> dict[str, Any]:
    """A study's plain values with published rollouts among the anchors, not among the models."""
    models, anchors = config.get("models"), config.get("anchors", {})
    if not isinstance(models, dict) or not isinstance(anchors, dict):
        return config
    found = {
        name: model
        for name, model in models.items()
        if isinstance(model, dict) and "anchors_from" in model and "model" not in model
    }
    if not found:
        return config
    others = {name: model for name, model in models.items() if name not in found}
    return config | {"models": others, "anchors": anchors | {"published": found}}
