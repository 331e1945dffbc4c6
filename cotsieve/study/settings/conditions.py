"""What a study file may say about interventions."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from cotsieve.interventions.thoughts import VOCABULARY_OPERATIONS, Component, Operation
from cotsieve.study.settings.part import Count, FilePath, Part, decided


class FirstThoughts(Part):
    first: Count


class Condition(Part):
    """An intervention; what it does is said here, never by its name."""

    operation: Operation
    layer: Literal["early", "middle", "late"] | int | float | None = None
    """Needed unless the component is pre_projection."""
    component: Component = "resid_post"
    """pre_projection: the final hidden state from which a thought is made."""
    thoughts: Literal["all"] | FirstThoughts | list[int] = "all"
    rest: Literal["free", "frozen"] = "free"
    scope: Literal["latent", "seed"] = "latent"
    read: Literal["same", "input"] = "same"
    scale: Annotated[float, Field(gt=0)] = 1.0
    units: Literal["relative", "absolute"] = "relative"
    seed: int = 0
    activations: FilePath = "self"
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

    def _misplaced(self) -> Iterator[str]:
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
            if self.operation in VOCABULARY_OPERATIONS:
                yield f"operation {self.operation} needs component pre_projection"
            if self.where == "numbers":
                yield "where: numbers needs component pre_projection"
        if (self.operation == "replace") != (self.token is not None):
            yield "token is needed by operation replace, and by no other"
        if self.operation != "project" and (self.top != 1 or self.rescale):
            yield "top and rescale belong to operation project"


class TextCondition(Part):
    """An ablation of written reasoning: what the model reads of it before it answers."""

    reasoning: Literal[
        "keep",
        "empty",
        "finished",
        "truncate",
        "drop-answer-statement",
        "drop-statement",
        "drop-equation",
        "statement-only",
        "alter-statement",
        "alter-all",
        "mask-digits",
        "reverse",
        "shuffle",
        "swap",
        "filler",
    ] = "keep"
    """empty and finished are the published prompts without reasoning; swap gives the reasoning of
    another problem; truncate keeps a fraction of the tokens, the first sentences, or a fraction of
    the sentences."""
    fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    sentences: Annotated[int, Field(ge=0)] | None = None
    sentences_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    answer: Literal["free", "forced"] = "free"
    """forced: the words that open the final answer are given, so it comes without more thinking."""
    attention: Literal["open", "blocked"] = "open"
    """blocked: what follows the reasoning cannot attend to it."""
    filler: Literal["dots", "neutral"] = "dots"
    seed: int = 0

    @model_validator(mode="after")
    def _cut_says_where(self) -> "TextCondition":
        ways = ("fraction", "sentences", "sentences_fraction")
        given = sum(getattr(self, way) is not None for way in ways)
        if given != (self.reasoning == "truncate"):
            raise ValueError(
                f"reasoning truncate needs one of {', '.join(ways)}; no other reasoning has any"
            )
        if self.attention == "blocked" and self.reasoning != "keep":
            raise ValueError("attention blocked hides the reasoning as it is: leave reasoning out")
        return self


def kind_of(condition: Any) -> str:
    """Whether the value of a condition is about text or about activations."""
    if isinstance(condition, TextCondition):
        return "text"
    words = ("reasoning", "attention")
    return "text" if isinstance(condition, dict) and any(w in condition for w in words) else "state"


AnyCondition = Annotated[
    Annotated[Condition, Tag("state")] | Annotated[TextCondition, Tag("text")],
    Discriminator(kind_of),
]


MOST_CONDITIONS = 2_000
"""Of a sweep, named or made by its grid."""


class Grid(Part):
    """Conditions for every combination of these; named operation-layer-thoughts."""

    operation: list[Literal["zero", "mean", "noise", "resample"]]
    layer: list[Literal["early", "middle", "late"] | int | float]
    thoughts: list[Literal["all"] | FirstThoughts | Annotated[list[int], Field(max_length=10_000)]]
    component: Literal["resid_pre", "resid_post"] = "resid_post"
    rest: Literal["free", "frozen"] = "free"
    scope: Literal["latent", "seed"] = "latent"
    scale: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0

    @model_validator(mode="after")
    def _bounded(self) -> "Grid":
        count = len(self.operation) * len(self.layer) * len(self.thoughts)
        if count > MOST_CONDITIONS:
            raise ValueError(f"it makes {count:,} conditions, at most {MOST_CONDITIONS:,} are run")
        return self


def expanded(grid: Grid) -> dict[str, dict[str, Any]]:
    """Name → plain definition of the conditions that a grid makes."""
    shared = {"component": grid.component, "rest": grid.rest, "scope": grid.scope}
    shared |= {"scale": grid.scale, "seed": grid.seed}
    return {
        f"{operation}-{layer}-{_thoughts_name(thoughts)}": decided(
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
