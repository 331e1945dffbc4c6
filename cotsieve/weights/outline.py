"""Which engine a causal language model runs in, and what its configuration says for either.

The lean decoder runs what it computes exactly as the transformers library does. Every other model
that the library has a class for is run by that class. The configuration alone decides.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.weights.architecture import (
    ACTIVATIONS,
    MOST_LAYERS,
    MOST_SIZE,
    READERS,
    STATIC_ROTATIONS,
    Architecture,
    Outline,
    mistral_window,
    read_architecture,
    read_config,
)
from cotsieve.weights.layout import weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

UNKNOWN_POSITIONS = 2**31 - 1
"""For models whose configuration names no longest text."""

TYPICAL_PROMPT = 1024
"""Tokens of a question with its instruction, and of the sentences around it."""

MEND = "Use a model that transformers loads with AutoModelForCausalLM, without code of its own."

BATCHED_LAYERS = {"full_attention", "sliding_attention"}
"""Kinds of layers that remember keys and values alone, from which any place can be left out."""

GPT2_VARIANTS = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
}
"""Key of a GPT-2 configuration → its ordinary value, for which alone the lean decoder is right."""


def why_library(config: Mapping[str, object]) -> str | None:
    """What keeps a model from the lean decoder, as its `config.json` says; None: nothing does."""
    family = config.get("model_type")
    if not isinstance(family, str) or family not in READERS:
        return f"architecture {family}"
    if family == "mistral" and mistral_window(config) is not None:
        return "a sliding window"
    if family in ("qwen2", "qwen3") and config.get("use_sliding_window") is True:
        return "a sliding window"
    if family == "gpt2":
        variant = next(
            (k for k, usual in GPT2_VARIANTS.items() if config.get(k, usual) != usual), None
        )
        return variant and f"{variant}: {config[variant]}"
    activation = config.get("hidden_act")
    if isinstance(activation, str) and activation not in ACTIVATIONS:
        return f"activation {activation}"
    kind = _rotation_kind(config)
    return None if kind in STATIC_ROTATIONS else f"rotary kind {kind}"


def _rotation_kind(config: Mapping[str, object]) -> object:
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(scaling, Mapping):
        return "default"  # told where the frequencies are made
    return scaling.get("rope_type", scaling.get("type", "default"))


def read_outline(folder: Path, written: int) -> Outline:
    """The outline of the model in `folder`: its whole Architecture where the lean decoder runs it.

    `written`: tokens it may write at most. Raises BadInput for configurations that cannot be used.
    """
    if why_library(read_config(Path(folder) / "config.json")) is None:
        return read_architecture(folder)
    return library_outline(library_config(folder), written)


def is_lean(outline: Outline) -> bool:
    """Whether the lean decoder runs the model."""
    return isinstance(outline, Architecture)


def library_config(folder: Path) -> "PreTrainedConfig":
    """The configuration in `folder`, as the library reads it. Raises BadInput."""
    path = Path(folder) / "config.json"
    refuse_measureless(path, read_config(path))
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a configuration is checked by code of its own class
        what = f"transformers cannot read it ({_first_line(error)})"
        raise bad(path, what, MEND) from None
    if getattr(config, "quantization_config", None):
        mend = "Use the model's weights in bfloat16, float16 or float32."
        raise bad(f"{path}: quantization_config", "quantised weights cannot be run", mend)
    return config


def refuse_measureless(path: Path, config: Mapping[str, object], key: str = "") -> None:
    """Raise BadInput for sizes that the library would work on for hours, or fill memory with."""
    for name, value in config.items():
        where = f"{path}: {key}{name}"
        if name in ("model_type", "rope_type") and not isinstance(value, str):
            raise bad(where, f"{value!r:.60} is no name", MEND)
        parts = any(word in name for word in ("layer", "expert", "head"))
        if isinstance(value, Mapping):
            refuse_measureless(path, value, f"{key}{name}.")
        elif isinstance(value, list) and len(value) > MOST_LAYERS:
            raise bad(where, f"it lists {len(value):,} values", MEND)
        elif isinstance(value, int) and value > (MOST_LAYERS if parts else MOST_SIZE):
            most = MOST_LAYERS if parts else MOST_SIZE
            raise bad(where, f"is more than {most:,}", MEND)


def library_outline(config: "PreTrainedConfig", written: int) -> Outline:
    """What a configuration says of a model's shape; of one that also sees or hears, its text part.

    Raises BadInput for what has no layers, vocabulary or width.
    """
    text = config.get_text_config(decoder=True)
    sizes = {
        key: getattr(text, key, None) for key in ("num_hidden_layers", "hidden_size", "vocab_size")
    }
    wrong = [key for key, size in sizes.items() if not isinstance(size, int) or size < 1]
    if wrong:
        where = Path(config.name_or_path) / "config.json"
        raise BadInput(
            Finding(f"{where}: {key}", f"{sizes[key]!r} is no size", MEND) for key in wrong
        )
    layers, hidden, vocabulary = sizes.values()
    heads = getattr(text, "num_attention_heads", None)
    heads = heads if isinstance(heads, int) and heads > 0 else 1
    limit, _ = positions_of(text, written)
    batched = _takes_positions(config) and _attends_alone(text)
    return Outline(
        family=config.model_type,
        layers=layers,
        hidden=hidden,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_dim=getattr(text, "head_dim", None) or max(1, hidden // heads),
        vocabulary=vocabulary,
        base_vocabulary=vocabulary,
        max_positions=limit,
        batched=batched,
    )


def _takes_positions(config: "PreTrainedConfig") -> bool:
    """Whether the model can be told where its tokens stand. Raises BadInput where it is none."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        where = f"{Path(config.name_or_path) / 'config.json'}: model_type"
        raise bad(where, f"{config.model_type!r} is no causal language model", MEND)
    model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    return "position_ids" in inspect.signature(model.forward).parameters


def _attends_alone(text: Any) -> bool:
    """Whether the model remembers keys and values alone, and takes positions as they are told."""
    from transformers.cache_utils import get_layer_types_and_kwargs

    kinds, _ = get_layer_types_and_kwargs(text)
    return set(kinds) <= BATCHED_LAYERS and not getattr(text, "alibi", False)


def positions_of(text: Any, written: int) -> tuple[int, bool]:
    """Positions a text may have, and whether they turn by the factors for long texts.

    Rotary kind `longrope` (Ding et al., arXiv 2402.13753) has two sets of frequencies, for texts up
    to a length and beyond it. The library changes sets as the longest text of a batch grows, so
    that one row would decide another, and what was read before the change is read wrong. Here one
    set serves a whole study: the short one where `written` tokens and a usual question fit it.
    """
    most = getattr(text, "max_position_embeddings", None)
    most = most if isinstance(most, int) and most > 0 else UNKNOWN_POSITIONS
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return most, False
    short = rope["original_max_position_embeddings"]
    return (short, False) if TYPICAL_PROMPT + written <= short else (most, True)


def safetensors_files(folder: Path) -> list[Path]:
    """The weight files of a model for the library. Raises BadInput where they are pickles."""
    files = weight_files(folder)
    pickles = [file for file in files if ".bin" in file.suffixes]
    if pickles:
        mend = "Save the model with safetensors."
        raise bad(pickles[0], "this architecture is loaded from safetensors only", mend)
    return files


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
