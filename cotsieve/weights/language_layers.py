"""The modules of the language models that can be run: their names in files and here."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cotsieve.weights.architecture import Architecture

LLAMA_LINEAR = {
    "self_attn.q_proj": "q",
    "self_attn.k_proj": "k",
    "self_attn.v_proj": "v",
    "self_attn.o_proj": "o",
    "mlp.gate_proj": "gate",
    "mlp.up_proj": "up",
    "mlp.down_proj": "down",
}


class Layer(NamedTuple):
    """One module of the language model: its names in the file and here, and its shape."""

    key: str
    names: tuple[str, ...]
    """Several names share one stored matrix in GPT-2's attention input."""
    shape: tuple[int, ...]
    """As stored: (out, in), or (in, out) when `transposed`."""
    bias: bool
    linear: bool = True
    transposed: bool = False

    @property
    def out(self) -> int:
        return self.shape[-1] if self.transposed else self.shape[0]


def whole_name(name: str, names: Iterable[str], family: str) -> str:
    """A tensor's name as `language_layers` knows it.

    The first GPT-2 and other models saved without their output layer lack what stands before the
    name of every other tensor; the transformers library adds it too.
    """
    stem = "transformer." if family == "gpt2" else "model."
    bare = name != "lm_head.weight" and not any(other.startswith(stem) for other in names)
    return stem + name if bare else name


def ends(architecture: Architecture) -> tuple[str, str]:
    """The names of the embedding and of the output layer."""
    gpt2 = architecture.family == "gpt2"
    return "transformer.wte.weight" if gpt2 else "model.embed_tokens.weight", "lm_head.weight"


def language_layers(architecture: Architecture) -> Iterator[Layer]:
    """Every module of the language model except embedding and output layer."""
    hidden = architecture.hidden
    if architecture.family == "gpt2":
        positions = (architecture.max_positions, hidden)
        yield Layer("transformer.wpe", ("positions",), positions, False, linear=False)
        yield Layer("transformer.ln_f", ("final_norm",), (hidden,), True, linear=False)
        for i in range(architecture.layers):
            yield from _gpt2_layers(architecture, f"transformer.h.{i}", f"layers.{i}")
        return
    yield Layer("model.norm", ("final_norm",), (hidden,), False, linear=False)
    for i in range(architecture.layers):
        yield from _llama_layers(architecture, f"model.layers.{i}", f"layers.{i}")


def _gpt2_layers(architecture: Architecture, key: str, name: str) -> Iterator[Layer]:
    hidden, inner = architecture.hidden, architecture.intermediate
    yield Layer(f"{key}.ln_1", (f"{name}.attention_norm",), (hidden,), True, linear=False)
    yield Layer(f"{key}.ln_2", (f"{name}.mlp_norm",), (hidden,), True, linear=False)
    for module, names, shape in (
        ("attn.c_attn", ("q", "k", "v"), (hidden, 3 * hidden)),
        ("attn.c_proj", ("o",), (hidden, hidden)),
        ("mlp.c_fc", ("up",), (hidden, inner)),
        ("mlp.c_proj", ("down",), (inner, hidden)),
    ):
        here = tuple(f"{name}.{word}" for word in names)
        yield Layer(f"{key}.{module}", here, shape, True, transposed=True)


def _llama_layers(architecture: Architecture, key: str, name: str) -> Iterator[Layer]:
    hidden, inner = architecture.hidden, architecture.intermediate
    queries = architecture.heads * architecture.head_dim
    keys = architecture.kv_heads * architecture.head_dim
    shapes = {"q": (queries, hidden), "k": (keys, hidden), "v": (keys, hidden)}
    shapes |= {"o": (hidden, queries), "gate": (inner, hidden), "up": (inner, hidden)}
    shapes |= {"down": (hidden, inner)}
    for norm, here in (("input", "attention_norm"), ("post_attention", "mlp_norm")):
        yield Layer(f"{key}.{norm}_layernorm", (f"{name}.{here}",), (hidden,), False, linear=False)
    for word in "qk" if architecture.family == "qwen3" else "":
        module, size = f"{key}.self_attn.{word}_norm", (architecture.head_dim,)
        yield Layer(module, (f"{name}.{word}_norm",), size, False, linear=False)
    for module, word in LLAMA_LINEAR.items():
        if module.startswith("mlp."):
            bias = architecture.mlp_bias
        else:
            bias = architecture.attention_bias or (architecture.family == "qwen2" and word != "o")
        yield Layer(f"{key}.{module}", (f"{name}.{word}",), shapes[word], bias)
