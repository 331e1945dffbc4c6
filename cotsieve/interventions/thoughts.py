"""Interventions on latent thoughts as data: what is written, where, at which thoughts."""

from dataclasses import dataclass
from math import floor
from typing import Literal

from cotsieve.ground.faults import bad

Operation = Literal[
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
Component = Literal["resid_pre", "resid_post", "pre_projection"]

PRE_PROJECTION = "pre_projection"
"""The final hidden state that is about to be projected into the next thought."""

VOCABULARY_OPERATIONS = ("remove", "discretize", "discretize_norm", "project", "replace")
"""Operations on a hidden state that read it as a token; what each does: vocabulary_edits.py."""

NAMED_LAYERS = {"early": 1 / 4, "middle": 1 / 2, "late": 7 / 8}
"""Depth of the named layers; gives 4, 8, 14 of 16 blocks, as published for CODI-LLaMA."""

PUBLISHED_LAYERS = {("gpt2", 12): {"early": 3, "middle": 6, "late": 11}}
"""Where the published table differs from the depths above."""


@dataclass(frozen=True)
class Intervention:
    """One operation at one site, during some of the thoughts.

    A site is the residual stream before (`resid_pre`) or after (`resid_post`) a block, or the final
    hidden state from which a thought is made (`pre_projection`). Activations are read at the site
    they are written to, so patching a problem with its own changes nothing.
    """

    operation: Operation
    block: int
    """Zero-based index of the transformer block; -1 for `pre_projection`."""
    thoughts: tuple[int, ...]
    """Zero-based thought positions that are overwritten; with `pre_projection` those made from
    what is overwritten. The first thought of prompt style `seed` is made from nothing."""
    component: Component = "resid_post"
    rest: Literal["free", "frozen"] = "free"
    """The other thoughts run on freely, or are held at the problem's own baseline activations."""
    scope: Literal["latent", "seed"] = "latent"
    """`seed` also writes the vector of thought 0 over the last prompt token, as published."""
    read: Literal["same", "input"] = "same"
    """`input` reads the input of the block although its output is written: the published
    off-by-one, kept to reproduce those numbers; a self-patch is then not the identity."""
    scale: float = 1.0
    """Noise: standard deviation of the normal noise that is added."""
    units: Literal["relative", "absolute"] = "relative"
    """Noise: `scale` counts in root mean squares of the activation, or absolutely."""
    seed: int = 0
    """Noise and resample: which draw."""
    activations: str = "self"
    """Patch: the problem's own activations, or a safetensors file."""
    where: Literal["all", "numbers"] = "all"
    """`numbers`: only hidden states whose top token is a number (`pre_projection`)."""
    top: int = 1
    """Project: on how many token embeddings."""
    rescale: bool = False
    """Project: give the projection the length of what it replaces."""
    token: str | None = None
    """Replace: the token that is written in."""
    strength: float = 3.0
    """Replace: factor of the component along that token."""

    @property
    def site(self) -> tuple[int, str]:
        return self.block, self.component

    @property
    def source(self) -> tuple[int, str]:
        """The site whose activations are written."""
        return (self.block, "resid_pre") if self.read == "input" else self.site

    @property
    def needs_reference(self) -> bool:
        return self.operation in ("mean", "resample")

    @property
    def needs_baseline(self) -> bool:
        """Whether it writes what the problem's own baseline computes in the same step."""
        own = self.operation == "patch" and self.activations == "self" and self.scope == "latent"
        return own or self.rest == "frozen"

    @property
    def needs_vocabulary(self) -> bool:
        return self.operation in VOCABULARY_OPERATIONS or self.where == "numbers"


def resolve_layer(layer: int | float | str, layers: int, family: str) -> int:
    """Block index of a layer given by index, by name, or by fraction of the depth in (0, 1).

    Raises BadInput when there is no such block.
    """
    if isinstance(layer, str):
        published = PUBLISHED_LAYERS.get((family, layers), {})
        if layer not in NAMED_LAYERS:
            raise bad("layer", f"unknown name '{layer}'", f"Use one of {', '.join(NAMED_LAYERS)}.")
        return published.get(layer, floor(NAMED_LAYERS[layer] * layers))
    if isinstance(layer, float):
        if not 0 < layer < 1:
            raise bad("layer", f"fraction {layer} is outside (0, 1)", "Use an index or a fraction.")
        return floor(layer * layers)
    if not 0 <= layer < layers:
        raise bad("layer", f"{layer} is out of range", f"The model has blocks 0 to {layers - 1}.")
    return layer


def resolve_thoughts(thoughts: str | int | list[int], count: int) -> tuple[int, ...]:
    """Thought positions of `all`, of `first: k`, or of a list.

    Raises BadInput when a position does not exist or nothing is chosen.
    """
    if thoughts == "all":
        return tuple(range(count))
    chosen = tuple(range(thoughts["first"])) if isinstance(thoughts, dict) else tuple(thoughts)
    wrong = [position for position in chosen if not 0 <= position < count]
    if wrong or not chosen:
        found = ", ".join(map(str, wrong)) or "nothing"
        raise bad(
            "thoughts",
            f"{found} is not a choice of thoughts",
            f"The model has thoughts 0 to {count - 1}.",
        )
    return tuple(sorted(set(chosen)))


def from_definition(
    definition: dict, *, layers: int, family: str, thoughts: int
) -> Intervention | None:
    """The intervention a condition's plain definition means for one model; None for a baseline."""
    if definition.get("operation") is None:
        return None
    values = {key: value for key, value in definition.items() if key != "activations_sha256"}
    layer = values.pop("layer", None)
    chosen = resolve_thoughts(values.pop("thoughts", "all"), thoughts)
    if values.get("component") == PRE_PROJECTION:
        return Intervention(block=-1, thoughts=chosen, **values)
    if layer is None:
        raise bad("layer", "is missing", "Name the layer whose residual stream is written.")
    return Intervention(block=resolve_layer(layer, layers, family), thoughts=chosen, **values)
