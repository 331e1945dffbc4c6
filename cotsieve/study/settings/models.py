"""What a study file may say about models and how they write, and which family it means."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from cotsieve.ground.faults import Finding
from cotsieve.study.settings.part import Count, FilePath, Name, Part, Revision


class Decoding(Part):
    max_new_tokens: Annotated[int, Field(ge=1, le=10**7)] = 256
    stop_at: Literal["eos", "number"] = "eos"
    """number: an answer also ends with its first token that begins with a digit, as in the
    published pre-projection interventions; the token that ends it is then part of it."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0: greedy. Sampling is for models that write their reasoning."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    samples: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Rollouts per problem and condition."""
    seed: int = 0


class Sieve(Part):
    """Which ablation decides that a problem needs its chain of thought."""

    sweep: Name
    ablation: Name


class Lora(Part):
    rank: Count | None = None
    """Checked against the file when given."""
    alpha: Annotated[float, Field(gt=0)]
    """0 would leave the adapters out."""


class Model(Part):
    """A latent chain-of-thought checkpoint and the way it is run."""

    family: Literal["codi"] = "codi"
    checkpoint: FilePath
    """Folder or file with the weights, or a hub repository."""
    revision: Revision | None = None
    base: FilePath
    """Folder with config and tokenizer of the base model, or a hub repository."""
    base_revision: Revision | None = None
    lora: Lora
    thoughts: Annotated[int, Field(ge=1, le=10_000)] = 6
    prompt_style: Literal["codi-eval", "seed"] = "codi-eval"
    remove_eos: bool = True
    """False: the model was trained with an end-of-sequence token before and after its thoughts."""
    collapse_spaces: bool | None = None
    """Read two spaces in a question as one; default: with prompt style codi-eval, as published."""
    precision: Literal["float32", "tf32", "bf16", "fp16", "exact"] = "float32"
    """exact: the rows of float32 from 16-bit arithmetic; rows it leaves in doubt run in float32. In
    tf32, bf16 and fp16 a row may depend on the rows it is run with."""
    decoding: Decoding | None = None
    """For this model instead of the study's."""
    sieve: Sieve | None = None


Tag = Annotated[str, Field(min_length=1)]


class Style(Part):
    """How a family of models marks its reasoning."""

    prompt: Literal["raw", "chat", "thought-anchors"] = "raw"
    """raw: problem, instruction and opening tag; chat: the model's own chat template;
    thought-anchors: the prompt of that study, which brings its own instruction."""
    instruction: str = " Please reason step by step, and put your final answer within \\boxed{}."
    open: Tag = "<think>"
    close: Tag = "</think>"
    forced_answer: str = "\n\nThe final answer is \\boxed{"
    lead: str = "\n"
    """What stands between the opening tag and the thought."""
    template: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """What the chat template is told by name, such as enable_thinking."""


class ReasoningModel(Part):
    """A model that writes its reasoning before its answer."""

    family: Literal["reasoning"]
    model: FilePath
    """Folder with config, tokenizer and weights, or a hub repository."""
    revision: Revision | None = None
    style: Style = Style()
    traces: Literal["own", "given"] = "own"
    """given: the reasoning stands in the source (columns.reasoning) and the model only answers."""
    writer: Literal["own", "vllm"] = "own"
    """What writes the baseline traces; everything else is always run by the engine of cotsieve."""
    precision: Literal["float32", "tf32", "bf16", "fp16"] = "float32"
    anchors_from: str | None = None
    """A folder of published traces with some rollouts around their sentences, to be completed."""
    decoding: Decoding | None = None
    sieve: Sieve | None = None
    """For this model instead of the study's."""


class ImportedModel(Part):
    """Finished rollouts of the published script, imported instead of computed."""

    family: Literal["imported"]
    results: FilePath
    """Its checkpoint file, gsm8k_expansion_checkpoint.json format."""
    ablation: Name
    """The condition its ablated predictions stand for."""


USUAL = "codi"
FIELDS = {
    USUAL: set(Model.model_fields),
    "reasoning": set(ReasoningModel.model_fields),
    "imported": set(ImportedModel.model_fields),
}


def with_families(models: Mapping[str, Any]) -> dict[str, Any]:
    """The models of a study file, each with a family: the one that its keys tell of."""
    return {
        name: {"family": meant_family(model), **model} if isinstance(model, dict) else model
        for name, model in models.items()
    }


def forgotten_families(models: Mapping[str, Any]) -> Iterator[Finding]:
    """Models that name no family although they are not of the usual one."""
    for name, model in models.items():
        if isinstance(model, dict) and "family" not in model:
            family = meant_family(model)
            if family != USUAL:
                keys = ", ".join(sorted(own_keys(family) & model.keys()))
                what = f"is missing; only models of family {family} have the keys {keys}"
                yield Finding(f"models.{name}.family", what, f"Add family: {family}.")


def meant_family(keys: Collection[str]) -> str:
    """The family that has most of the keys for itself; the usual one where none has more."""
    return max(FIELDS, key=lambda family: len(own_keys(family).intersection(keys)))


def own_keys(family: str) -> set[str]:
    """The keys that no other family has."""
    return FIELDS[family].difference(*(FIELDS[other] for other in FIELDS if other != family))
