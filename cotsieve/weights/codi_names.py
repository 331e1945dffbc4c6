"""What the tensors of a CODI checkpoint are called, in the forms it is found in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from cotsieve.weights.architecture import Architecture
from cotsieve.weights.language_layers import ends, whole_name

PREFIXES = ("codi.base_model.model.", "codi.")
"""In front of the language model's keys: as saved with adapters, and without the peft wrapper."""

AUXILIARY = ("decoder.", "pj_in.", "pj_out.")
"""What SIM-CoT (arXiv 2509.20317) trains beside a CODI model, to read a step of reasoning from each
thought. Answers are written without it."""

PEFT = "base_model.model."
PROJECTION = {f"{module}.{kind}" for module in ("1", "3", "ln") for kind in ("weight", "bias")}
"""The projection's tensors where it was saved by itself."""

T = TypeVar("T")


def without_auxiliary(tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors that a model is run with."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(AUXILIARY)}


def told_auxiliary(names: Iterable[str]) -> str | None:
    """What of the tensors is left out, in words; None: nothing."""
    parts = Counter(name.partition(".")[0] for name in names if name.startswith(AUXILIARY))
    told = ", ".join(f"{part}.* ({count:,})" for part, count in sorted(parts.items()))
    return f"tensors of its training are not used: {told}" if parts else None


def joined(
    adapters: Mapping[str, T],
    projection: Mapping[str, T],
    base: Mapping[str, T],
    architecture: Architecture,
) -> dict[str, T]:
    """What peft saved, under the names of a whole checkpoint.

    The adapters' file may also hold tensors in place of those of the base model, as the embedding
    with its added rows; where the output layer is tied to that, the base model's is not used.
    """
    family = architecture.family
    state = {PREFIXES[0] + whole_name(name, base, family): base[name] for name in base}
    changed = {_unwrapped(name): tensor for name, tensor in adapters.items()}
    both = [f"{PREFIXES[0]}{name}" for name in ends(architecture)]
    if architecture.tied and any(name in changed for name in both):
        state = {name: tensor for name, tensor in state.items() if name not in both}
    whole = {f"prj.{name.removeprefix('prj.')}": tensor for name, tensor in projection.items()}
    return state | changed | whole


def _unwrapped(name: str) -> str:
    if name.startswith("prj."):
        return name
    for half in ("lora_A", "lora_B"):
        name = name.replace(f".{half}.weight", f".{half}.default.weight")
    for wrapper in (".modules_to_save.default.", ".modules_to_save.", ".base_layer."):
        name = name.replace(wrapper, ".")
    return f"codi.{name}"
