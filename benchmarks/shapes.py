"""The models and problems of the benchmark: the demo model of the repository, or random weights.

Random models are drawn on the device they run on. Question lengths follow GSM8K's under the Llama-3
tokenizer; answers have a forced length, since a random model never ends one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.latent.engine import LatentStyle
from cotsieve.weights.architecture import Architecture, read_architecture
from cotsieve.weights.files import read_state

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "resources" / "models" / "tiny-codi"
SAMPLE = ROOT / "resources" / "sample" / "problems.jsonl"

MEDIAN_QUESTION, SPREAD = 54, 0.362
"""Tokens of the 7,473 training questions with the begin token: log-normal within a token (median
54, mean 58.3, 95th percentile 98, 99th 125), from 16 to 210."""
SHORTEST, LONGEST = 16, 210
ANSWER_LENGTHS = (7, 8, 9)
RUNAWAY_SHARE, RUNAWAY_LENGTH = 0.03, 200
"""2-4 % of published latent outputs repeat themselves, up to the cap."""

SCORES, USUAL = 17.0, 140.0
"""Deviation of a random model's logits, and the logit of the token that usually follows another.
Without one, random models hardly prefer any token, and nearly all rows come close to a tie; with
it, some hundredths of the rows do, as in trained models."""

SHAPES = {
    # layers, hidden, heads, kv heads, head size, feed-forward, vocabulary, adapter rank
    "thin": (16, 64, 8, 2, 8, 256, 32_003, 128),
    "wide": (16, 512, 8, 2, 64, 2048, 32_003, 128),
    "llama-1b": (16, 2048, 32, 8, 64, 8192, 128_259, 128),
}


@dataclass(frozen=True)
class Model:
    """Weights with the adapters apart, float32, on the device they run on."""

    name: str
    architecture: Architecture
    base: dict[str, Tensor]
    """transformers' names."""
    adapters: dict[str, tuple[Tensor, Tensor]]
    """Module → (down, up)."""
    scaling: float
    projection: dict[str, Tensor]
    style: LatentStyle
    stop_ids: frozenset[int]
    rope_theta: float

    @property
    def embedding(self) -> Tensor:
        return self.base["model.embed_tokens.weight"]

    def merged(self) -> dict[str, Tensor]:
        """The weights as the engine takes them: adapters added, canonical names."""
        weights = {}
        for name, tensor in self.base.items():
            stem = name.removesuffix(".weight")
            if stem in self.adapters:
                down, up = self.adapters[stem]
                tensor = tensor + self.scaling * (up @ down)
            weights[_canonical(name)] = tensor
        weights.setdefault("head.weight", weights["embed.weight"])
        return weights

    def frequencies(self) -> Tensor:
        size = self.architecture.head_dim
        places = torch.arange(0, size, 2, dtype=torch.int64).float()
        return 1.0 / self.rope_theta ** (places / size)


@dataclass(frozen=True)
class Case:
    """One problem."""

    question: list[int]
    lengths: tuple[int, ...]
    """Most tokens of the answer under each condition; random weights reach it always."""


def load(name: str, device: torch.device) -> Model:
    """A shape by name; `demo` is the trained model of the repository."""
    return _demo(device) if name == "demo" else _random(name, device)


def demo_questions() -> list[list[int]]:
    """The bundled sample as tokens."""
    import json

    from cotsieve.weights.tokenizer import encode_questions, load_tokenizer

    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"].strip() for line in lines]
    return encode_questions(load_tokenizer(DEMO / "base"), questions)


def random_questions(count: int, vocabulary: int, seed: int = 0) -> list[list[int]]:
    """Distinct questions of real lengths, the same for a seed, in no order."""
    draw = np.random.default_rng(seed)
    lengths = np.exp(np.log(MEDIAN_QUESTION) + SPREAD * draw.standard_normal(count))
    lengths = lengths.round().clip(SHORTEST, LONGEST).astype(int)
    return [draw.integers(0, vocabulary - 5, length).tolist() for length in lengths]


def cases(
    questions: Sequence[list[int]], conditions: int, *, runaways: bool, cap: int | None = None
) -> list[Case]:
    """Problems with answer lengths per condition; with `cap`, one that models end themselves."""
    draw = np.random.default_rng(1)
    shape = (len(questions), conditions)
    lengths = draw.choice(ANSWER_LENGTHS, shape) if cap is None else np.full(shape, cap)
    if runaways:
        lengths = np.where(draw.random(shape) < RUNAWAY_SHARE, RUNAWAY_LENGTH, lengths)
    return [Case(q, tuple(row.tolist())) for q, row in zip(questions, lengths, strict=True)]


def _demo(device: torch.device) -> Model:
    prefix = "codi.base_model.model."
    state = {key: tensor.float().to(device) for key, tensor in read_state(DEMO).items()}
    base, downs, ups = {}, {}, {}
    for key, tensor in state.items():
        stem = key.removeprefix(prefix)
        if stem.endswith(".lora_A.default.weight"):
            downs[stem.removesuffix(".lora_A.default.weight")] = tensor
        elif stem.endswith(".lora_B.default.weight"):
            ups[stem.removesuffix(".lora_B.default.weight")] = tensor
        elif key.startswith(prefix):
            base[stem.replace(".base_layer", "")] = tensor
    adapters = {stem: (downs[stem], ups[stem]) for stem in downs}
    architecture = replace(read_architecture(DEMO / "base"), tied="lm_head.weight" not in base)
    projection = {
        ours: state[theirs]
        for ours, theirs in (
            ("down.weight", "prj.1.weight"),
            ("down.bias", "prj.1.bias"),
            ("up.weight", "prj.3.weight"),
            ("up.bias", "prj.3.bias"),
            ("norm.weight", "prj.ln.weight"),
            ("norm.bias", "prj.ln.bias"),
        )
    }
    last = architecture.vocabulary - 1
    style = LatentStyle("codi-eval", 6, last - 1, last, None)
    rank = next(iter(downs.values())).shape[0]
    scaling = 32 / rank
    return Model(
        "demo", architecture, base, adapters, scaling, projection, style, frozenset({2}), 10_000.0
    )


def _random(name: str, device: torch.device) -> Model:
    layers, hidden, heads, kv_heads, size, wide, vocabulary, rank = SHAPES[name]
    architecture = Architecture(
        family="llama", layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=size,
        intermediate=wide, vocabulary=vocabulary, base_vocabulary=vocabulary - 3, norm_eps=1e-5,
        max_positions=4096, activation="silu", tied=False,
    )  # fmt: skip
    draw = torch.Generator(device).manual_seed(0)

    def normal(*shape: int, deviation: float) -> Tensor:
        return torch.randn(shape, generator=draw, device=device) * deviation

    base = {
        "model.embed_tokens.weight": normal(vocabulary, hidden, deviation=1.0),
        "model.norm.weight": torch.ones(hidden, device=device),
        "lm_head.weight": normal(vocabulary, hidden, deviation=SCORES * hidden**-0.5),
    }
    follower = torch.randperm(vocabulary, generator=draw, device=device)[:-3]
    embedding = base["model.embed_tokens.weight"]
    embedding[-3:] *= 0.1  # what follows the thoughts depends on them
    base["lm_head.weight"][follower] += embedding[:-3] * (USUAL / hidden)
    stop = vocabulary - 4
    base["lm_head.weight"][stop] = 0  # never the best: answers end by their forced length
    adapters = {}
    sizes = {
        "self_attn.q_proj": (heads * size, hidden),
        "self_attn.k_proj": (kv_heads * size, hidden),
        "self_attn.v_proj": (kv_heads * size, hidden),
        "self_attn.o_proj": (hidden, heads * size),
        "mlp.gate_proj": (wide, hidden),
        "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }
    for layer in range(layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            base[f"model.layers.{layer}.{norm}.weight"] = torch.ones(hidden, device=device)
        for part, (out, into) in sizes.items():
            stem = f"model.layers.{layer}.{part}"
            # Less where the block adds to the residual stream, as GPT-2 is initialised; without
            # that a random model is chaotic, and the last bit of a thought decides the answer.
            calm = 0.5 * (2 * layers) ** -0.5 if part.endswith(("o_proj", "down_proj")) else 1.0
            base[f"{stem}.weight"] = normal(out, into, deviation=calm * into**-0.5)
            down = normal(rank, into, deviation=into**-0.5)
            adapters[stem] = (down, normal(out, rank, deviation=calm * rank**-0.5))
    projection = {
        "down.weight": normal(hidden, hidden, deviation=hidden**-0.5),
        "down.bias": normal(hidden, deviation=0.1),
        "up.weight": normal(hidden, hidden, deviation=hidden**-0.5),
        "up.bias": normal(hidden, deviation=0.1),
        "norm.weight": torch.ones(hidden, device=device),
        "norm.bias": torch.zeros(hidden, device=device),
    }
    style = LatentStyle("seed", 6, vocabulary - 2, vocabulary - 1, None)
    return Model(
        name, architecture, base, adapters, 32 / rank, projection, style, frozenset({stop}),
        10_000.0,
    )  # fmt: skip


def _canonical(name: str) -> str:
    layers = {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "mlp_norm",
        "q_proj": "q",
        "k_proj": "k",
        "v_proj": "v",
        "o_proj": "o",
        "gate_proj": "gate",
        "up_proj": "up",
        "down_proj": "down",
    }
    whole = {
        "model.embed_tokens.weight": "embed.weight",
        "model.norm.weight": "final_norm.weight",
        "lm_head.weight": "head.weight",
    }
    if name in whole:
        return whole[name]
    parts = name.split(".")
    return f"layers.{parts[2]}.{layers[parts[-2]]}.weight"
