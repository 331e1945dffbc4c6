"""Tiny random CODI checkpoints in the layout of the public training code, for tests."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from cotsieve.weights.codi_checkpoint import CodiCheckpoint

PEFT = "codi.base_model.model."
TARGETS = {
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
}
TARGETS |= dict.fromkeys(("mistral", "qwen2", "qwen3"), TARGETS["llama"])
SPECIAL = {
    "llama": ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
    "mistral": ("<s>", "</s>"),
    "qwen2": ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    "qwen3": ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    "gpt2": ("<|endoftext|>",),
}
MERGES = ("t h", "th e", "a n", "i n", "e r", "Ġ a", "Ġ the", "1 0", "o u", "Ġ i")


class MadeCodi(NamedTuple):
    """Where a checkpoint was written, and what loading it must give."""

    base: Path
    checkpoint: Path
    family: str
    state: dict[str, Tensor]
    """As saved."""
    merged: dict[str, Tensor]
    """transformers' names → float32, the adapters merged in float64."""
    rank: int
    alpha: float

    def stock_model(self) -> PreTrainedModel:
        """transformers' own model with the merged weights, in evaluation mode."""
        return stock_model(self.base, self.merged)


def make_codi(
    folder: Path,
    family: str = "llama",
    *,
    layers: int = 3,
    hidden: int = 32,
    heads: int = 4,
    kv_heads: int = 2,
    intermediate: int = 48,
    projection: int = 24,
    norm: bool = True,
    rank: int = 4,
    alpha: float = 2.0,
    seed: int = 0,
    stored: torch.dtype = torch.bfloat16,
    format: str = "bin",
    tied: bool = True,
    attention_bias: bool = False,
    padding: int = 0,
) -> MadeCodi:
    """Write `folder`/base (config and tokenizer only) and `folder`/ckpt.

    `format`: "bin", "safetensors", "sharded" (safetensors) or "sharded-bin". Equal arguments give
    equal weights in every format. `padding`: rows of the vocabulary beyond the tokenizer.
    """
    base, checkpoint = Path(folder) / "base", Path(folder) / "ckpt"
    base.mkdir(parents=True, exist_ok=True)
    checkpoint.mkdir(exist_ok=True)
    vocabulary = _save_tokenizer(base, family)
    sizes = (layers, hidden, heads, kv_heads, intermediate)
    config = _config(family, vocabulary, sizes, tied, attention_bias)
    config.vocab_size = vocabulary + padding
    config.save_pretrained(base)
    config.vocab_size += 3
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        plain = _random_state(config, stored)
        state, merged = _with_adapters(plain, family, rank, alpha)
        state |= _random_projection(hidden, projection, norm)
    save_state(checkpoint, state, format)
    return MadeCodi(base, checkpoint, family, state, merged, rank, alpha)


def save_state(folder: Path, state: dict[str, Tensor], format: str) -> None:
    """Write a state dict in one of the formats of `make_codi`."""
    state = {key: tensor.clone().contiguous() for key, tensor in state.items()}
    if format == "safetensors":
        save_file(state, folder / "model.safetensors")
    elif format == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        _save_sharded(folder, state, "bin" if format == "sharded-bin" else "safetensors")


def stock_model(base: Path, state: dict[str, Tensor]) -> PreTrainedModel:
    """transformers' model for the configuration in `base` plus three tokens, with these weights."""
    config = _CLASSES[json.loads((base / "config.json").read_text())["model_type"]]
    settings = config[0].from_pretrained(base)
    settings.vocab_size += 3
    model = config[1](settings).eval()
    model.load_state_dict(state)
    return model


def stock_state(loaded: CodiCheckpoint) -> dict[str, Tensor]:
    """The weights of a loaded checkpoint under transformers' names and in its orientation."""
    gpt2 = loaded.architecture.family == "gpt2"
    stems = _GPT2_STEMS if gpt2 else _LLAMA_STEMS
    layer = "transformer.h" if gpt2 else "model.layers"
    state: dict[str, Tensor] = {}
    weights = dict(loaded.weights)
    for i in range(loaded.architecture.layers if gpt2 else 0):
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"layers.{i}.{word}.{kind}") for word in "qkv"]
            weights[f"layers.{i}.qkv.{kind}"] = torch.cat(parts)
    for name, tensor in weights.items():
        stem, _, kind = name.rpartition(".")
        if stem.startswith("layers."):
            _, number, module = stem.split(".")
            key = f"{layer}.{number}.{stems[module]}.{kind}"
            transposed = gpt2 and tensor.dim() == 2
        else:
            key, transposed = f"{stems[stem]}.{kind}", False
        state[key] = tensor.T if transposed else tensor
    return state


_CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    "gpt2": (GPT2Config, GPT2LMHeadModel),
}
_LLAMA_STEMS = {
    "embed": "model.embed_tokens",
    "head": "lm_head",
    "final_norm": "model.norm",
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
_GPT2_STEMS = {
    "embed": "transformer.wte",
    "positions": "transformer.wpe",
    "head": "lm_head",
    "final_norm": "transformer.ln_f",
    "attention_norm": "ln_1",
    "mlp_norm": "ln_2",
    "qkv": "attn.c_attn",
    "o": "attn.c_proj",
    "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}


def _save_tokenizer(base: Path, family: str) -> int:
    """A byte-level tokenizer with a handful of merges; returns its length."""
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(m.replace(" ", "") for m in MERGES)]
    pairs = [tuple(merge.split()) for merge in MERGES]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = SPECIAL[family]
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])
    if family == "llama":
        begin = (special[0], tokenizer.token_to_id(special[0]))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{special[0]} $A", special_tokens=[begin]
        )
    names = {"eos_token": special[-1]} | ({"bos_token": special[0]} if "qwen" not in family else {})
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.save_pretrained(base)
    return len(fast)


def _config(
    family: str, vocabulary: int, sizes: tuple[int, ...], tied: bool, attention_bias: bool
) -> PreTrainedConfig:
    layers, hidden, heads, kv_heads, intermediate = sizes
    common = {"vocab_size": vocabulary, "tie_word_embeddings": tied, "initializer_range": 0.2}
    ends = {"bos_token_id": None, "eos_token_id": vocabulary - 1, "pad_token_id": None}
    if family == "gpt2":
        shape = {"n_layer": layers, "n_embd": hidden, "n_head": heads, "n_inner": intermediate}
        return GPT2Config(n_positions=256, **shape, **common, **ends)
    shape = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
    shape |= {"num_key_value_heads": kv_heads, "intermediate_size": intermediate}
    if family in ("mistral", "qwen2", "qwen3"):
        extra = {"qwen3": {"head_dim": 16}, "mistral": {"sliding_window": None}}.get(family, {})
        return _CLASSES[family][0](max_position_embeddings=512, **shape, **common, **extra, **ends)
    bend = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    bend |= {"original_max_position_embeddings": 64, "rope_theta": 10000.0}
    extra = {"rope_parameters": bend, "attention_bias": attention_bias}
    return LlamaConfig(max_position_embeddings=512, **shape, **common, **extra, **ends)


def _random_state(config: PreTrainedConfig, stored: torch.dtype) -> dict:
    """The model's own random weights, biases and norms moved off zero and one, then rounded."""
    model = _CLASSES[config.model_type][1](config)
    state = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}
    for key, tensor in state.items():
        if tensor.dim() == 1:
            tensor += 0.2 * torch.randn_like(tensor)
        state[key] = tensor.to(stored)
    if config.tie_word_embeddings:
        embedding = "transformer.wte" if config.model_type == "gpt2" else "model.embed_tokens"
        state["lm_head.weight"] = state[f"{embedding}.weight"].clone()
    return state


def _with_adapters(
    plain: dict[str, Tensor], family: str, rank: int, alpha: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state dict as peft names it with random adapters, and the same with them merged."""
    state, merged = {}, {key: tensor.float() for key, tensor in plain.items()}
    for key, tensor in plain.items():
        stem, _, kind = key.rpartition(".")
        if stem.split(".")[-1] not in TARGETS[family]:
            state[f"{PEFT}{key}"] = tensor
            continue
        state[f"{PEFT}{stem}.base_layer.{kind}"] = tensor
        if kind == "bias":
            continue
        into, out = tensor.shape if family == "gpt2" else tensor.shape[::-1]
        a, b = 0.3 * torch.randn(rank, into), 0.3 * torch.randn(out, rank)
        state[f"{PEFT}{stem}.lora_A.default.weight"] = a
        state[f"{PEFT}{stem}.lora_B.default.weight"] = b
        change = alpha / rank * (b.double() @ a.double())
        merged[key] = (tensor.double() + (change.T if family == "gpt2" else change)).float()
    return state, merged


def _random_projection(hidden: int, width: int, norm: bool) -> dict[str, Tensor]:
    state = {
        "prj.1.weight": torch.randn(width, hidden) / hidden**0.5,
        "prj.1.bias": 0.1 * torch.randn(width),
        "prj.3.weight": torch.randn(hidden, width) / width**0.5,
        "prj.3.bias": 0.1 * torch.randn(hidden),
    }
    if norm:
        state["prj.ln.weight"] = 0.5 + 0.1 * torch.randn(hidden)
        state["prj.ln.bias"] = 0.1 * torch.randn(hidden)
    return state


def _save_sharded(folder: Path, state: dict[str, Tensor], suffix: str) -> None:
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    names = sorted(state)
    where: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"{stem}-{number:05d}-of-00002.{suffix}"
        tensors = {name: state[name] for name in part}
        (save_file if suffix == "safetensors" else torch.save)(tensors, folder / file)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index))
