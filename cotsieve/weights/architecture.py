"""What a base model's configuration says about its shape; no weights are read here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cotsieve.ground.faults import BadInput, Finding, bad

if TYPE_CHECKING:
    import torch

ADDED_TOKENS = 3
"""CODI appends three rows to the vocabulary: pad, begin of thought, end of thought."""

ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
}
"""Name in a configuration → the name used here; `gelu_new` is the tanh approximation."""

STATIC_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Rotary kinds whose frequencies do not depend on the length of the text."""

MEND_BASE = "Give the folder of an unmodified LLaMA, Mistral, Qwen2, Qwen3 or GPT-2 model."

ROTARY = ("llama", "mistral", "qwen2", "qwen3")
"""Families whose positions are rotations of queries and keys; GPT-2 adds a vector to each token."""

MOST_SIZE = 2**31 - 1
MOST_LAYERS = 1_000
"""The largest models have some hundred."""

MISTRAL_WINDOW = 4096
"""What the transformers library takes where a Mistral configuration does not name its window."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What is known of any causal language model before its weights are read."""

    family: str
    """`model_type` of its configuration."""
    layers: int
    hidden: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    """Rows of the embedding as run; of a CODI model with its three tokens."""
    base_vocabulary: int
    max_positions: int
    batched: bool = True
    """Whether rows may stand in one batch, and places be hidden from what follows. Models with
    recurrent layers, or positions counted by the attention mask, read one row at a time, whole."""


@dataclass(frozen=True, kw_only=True)
class Architecture(Outline):
    """The shape of a model that the lean decoder runs, with CODI's three added tokens."""

    heads: int
    intermediate: int
    norm_eps: float
    activation: str
    """"silu", "gelu" (exact), "gelu_new" (tanh approximation) or "relu"."""
    tied: bool
    """The output layer is the embedding."""
    attention_bias: bool = False
    """LLaMA and Qwen3: biases on query, key, value and output; the other families fix this."""
    mlp_bias: bool = False
    """LLaMA only: biases on gate, up and down."""


def read_architecture(base: Path) -> Architecture:
    """The architecture that `config.json` in the folder `base` describes.

    Raises BadInput listing every missing, malformed or unsupported setting.
    """
    path = Path(base) / "config.json"
    config = read_config(path)
    family = config.get("model_type")
    if not isinstance(family, str) or family not in READERS:
        known = ", ".join(sorted(READERS))
        raise bad(f"{path}: model_type", f"{family!r} is not one of {known}", MEND_BASE)
    settings = _Settings(path, config)
    architecture = READERS[family](settings)
    settings.check(architecture)
    return architecture


def inverse_frequencies(base: Path) -> tuple["torch.Tensor", float]:
    """Rotary frequencies in radians per position, float32 (head_dim / 2,), and the factor on
    cosine and sine, both as the transformers library initialises them for this base model.

    Raises BadInput when the model has no rotary positions, or frequencies that change with length.
    """
    from transformers import AutoConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    path = Path(base) / "config.json"
    if read_config(path).get("model_type") not in ROTARY:
        raise bad(f"{path}: model_type", "this family has no rotary positions", MEND_BASE)
    try:
        # The library reads both layouts: `rope_theta` beside `rope_scaling`, and the newer
        # `rope_parameters` that holds both. Its models would take longer to import.
        config = AutoConfig.from_pretrained(base, local_files_only=True)
        kind = config.rope_parameters["rope_type"]
        start = _plain_rotation if kind == "default" else ROPE_INIT_FUNCTIONS[kind]
        frequencies, scaling = start(config)
    except (KeyError, TypeError, ValueError, OSError) as error:
        what = f"its rotary settings cannot be used ({error})"
        raise bad(path, what, MEND_BASE) from error
    if kind not in STATIC_ROTATIONS:
        what = f"rotary kind {kind!r} changes with the length of the text"
        raise bad(path, what, f"Use a model with one of {', '.join(STATIC_ROTATIONS)}.")
    return frequencies.float().cpu(), float(scaling)


def _plain_rotation(config) -> tuple["torch.Tensor", float]:
    """Frequencies that nothing scales: the only kind for which the library has no function."""
    import torch

    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    places = torch.arange(0, size, 2, dtype=torch.float) / size
    return 1.0 / (config.rope_parameters["rope_theta"] ** places), 1.0


def read_config(path: Path) -> dict[str, object]:
    """A `config.json`. Raises BadInput when it cannot be read or is no JSON object."""
    try:
        if path.exists() and not path.is_file():
            mend = "Give a model folder with a config.json."
            raise bad(path, "it is a folder, a pipe or a device, not a file", mend)
        config = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise bad(path, "is nested too deeply", "Download the model again.") from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise bad(path, what, "Give a model folder with a config.json.") from None
    except BadInput:
        raise
    except ValueError as error:
        raise bad(path, f"is not JSON ({error})", "Download the model again.") from None
    if not isinstance(config, dict):
        raise bad(path, "is not a JSON object", "Download the model again.")
    return config


class _Settings:
    """The keys of one configuration, and what is wrong with them."""

    def __init__(self, path: Path, config: Mapping[str, object]):
        self.path = path
        self.config = config
        self.findings: list[Finding] = []

    def fault(self, key: str, what: str) -> None:
        self.findings.append(Finding(f"{self.path}: {key}", what, MEND_BASE))

    def size(self, *keys: str, default: int | None = None, most: int = MOST_SIZE) -> int:
        """A positive whole number of at most `most` under the first of `keys` that is set."""
        value = next((self.config[k] for k in keys if self.config.get(k) is not None), default)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most:
            return value
        what = "is missing" if value is None else f"{value!r:.60} is not a positive whole number"
        if isinstance(value, int) and value > most:
            what = f"is more than {most:,}"
        self.fault(keys[0], what)
        return 1

    def epsilon(self, key: str) -> float:
        value = self.config.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
            return float(value)
        self.fault(key, "is missing" if value is None else f"{value!r} is not a small number")
        return 0.0

    def flag(self, key: str, default: bool) -> bool:
        value = self.config.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, f"{value!r} is neither true nor false")
        return bool(value)

    def activation(self, key: str, default: str) -> str:
        name = self.config.get(key) or default
        if not isinstance(name, str) or name not in ACTIVATIONS:
            self.fault(key, f"activation {name!r} is not one of {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS.get(str(name), default)

    def refuse(self, key: str, ordinary: bool) -> None:
        """Fault an option that would change the computation in a way this code does not follow."""
        if self.flag(key, ordinary) != ordinary:
            self.fault(key, f"{not ordinary} is not supported")

    def rotation(self) -> None:
        """Fault settings of rotary positions that are no mapping, or of no kind."""
        for key in ("rope_scaling", "rope_parameters"):
            value = self.config.get(key)
            if value is not None and not isinstance(value, Mapping):
                self.fault(key, f"{value!r:.60} is no mapping")
            elif value and not isinstance(value.get("rope_type", value.get("type", "")), str):
                self.fault(key, f"{value!r:.60} names no kind")

    def check(self, architecture: Architecture) -> None:
        """Raise every finding at once, with those that need several numbers together."""
        if not self.findings and architecture.heads % architecture.kv_heads:
            what = f"{architecture.kv_heads} does not divide {architecture.heads} query heads"
            self.fault("num_key_value_heads", what)
        if not self.findings and architecture.family != "gpt2" and architecture.head_dim % 2:
            self.fault("head_dim", f"{architecture.head_dim} is odd, rotary positions need pairs")
        if self.findings:
            raise BadInput(self.findings)

    def head_dim(self, hidden: int, heads: int) -> int:
        if self.config.get("head_dim") is None and hidden % heads and not self.findings:
            self.fault("hidden_size", f"{hidden} is not a multiple of {heads} attention heads")
        return self.size("head_dim", default=max(hidden // heads, 1))


def _llama_like(family: str, settings: _Settings) -> Architecture:
    settings.rotation()
    hidden = settings.size("hidden_size")
    heads = settings.size("num_attention_heads")
    vocabulary = settings.size("vocab_size")
    return Architecture(
        family=family,
        layers=settings.size("num_hidden_layers", most=MOST_LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=settings.size("num_key_value_heads", default=heads),
        head_dim=settings.head_dim(hidden, heads),
        intermediate=settings.size("intermediate_size"),
        vocabulary=vocabulary + ADDED_TOKENS,
        base_vocabulary=vocabulary,
        norm_eps=settings.epsilon("rms_norm_eps"),
        max_positions=settings.size("max_position_embeddings"),
        activation=settings.activation("hidden_act", "silu"),
        tied=settings.flag("tie_word_embeddings", False),
        attention_bias=family in ("llama", "qwen3") and settings.flag("attention_bias", False),
        mlp_bias=family == "llama" and settings.flag("mlp_bias", False),
    )


def _llama(settings: _Settings) -> Architecture:
    return _llama_like("llama", settings)


def _mistral(settings: _Settings) -> Architecture:
    if mistral_window(settings.config) is not None:
        settings.fault("sliding_window", "a window over the last tokens only is not supported")
    return _llama_like("mistral", settings)


def mistral_window(config: Mapping[str, object]) -> object:
    """How many of the last tokens a Mistral model sees, or None where that is all of them."""
    window, positions = config.get("sliding_window", MISTRAL_WINDOW), "max_position_embeddings"
    whole = isinstance(window, int) and isinstance(config.get(positions), int)
    return None if whole and window >= config[positions] else window


def _qwen2(settings: _Settings) -> Architecture:
    settings.refuse("use_sliding_window", False)
    return _llama_like("qwen2", settings)


def _qwen3(settings: _Settings) -> Architecture:
    settings.refuse("use_sliding_window", False)
    settings.size("head_dim")  # not what the other sizes suggest, so it must be said
    return _llama_like("qwen3", settings)


def _gpt2(settings: _Settings) -> Architecture:
    for key, ordinary in (
        ("scale_attn_weights", True),
        ("scale_attn_by_inverse_layer_idx", False),
        ("reorder_and_upcast_attn", False),
        ("add_cross_attention", False),
    ):
        settings.refuse(key, ordinary)
    hidden = settings.size("n_embd", "hidden_size")
    heads = settings.size("n_head", "num_attention_heads")
    if hidden % heads and not settings.findings:
        settings.fault("n_embd", f"{hidden} is not a multiple of {heads} attention heads")
    vocabulary = settings.size("vocab_size")
    return Architecture(
        family="gpt2",
        layers=settings.size("n_layer", "num_hidden_layers", most=MOST_LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        intermediate=settings.size("n_inner", default=4 * hidden),
        vocabulary=vocabulary + ADDED_TOKENS,
        base_vocabulary=vocabulary,
        norm_eps=settings.epsilon("layer_norm_epsilon"),
        max_positions=settings.size("n_positions", "max_position_embeddings", "n_ctx"),
        activation=settings.activation("activation_function", "gelu_new"),
        tied=settings.flag("tie_word_embeddings", True),
    )


READERS: dict[object, Callable[[_Settings], Architecture]] = {
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gpt2": _gpt2,
}
