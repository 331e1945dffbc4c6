"""What the benchmark of written reasoning runs: one model twice, how much, and calls in turns."""

import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen2Config

from benchmarks.running import clock
from benchmarks.shapes import ROOT
from cotsieve.demo.reasoner_evaluation import STYLE, as_problems
from cotsieve.demo.stories import make_problems
from cotsieve.engine.loading import load_reasoning_model
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import BASELINE

EMBEDDED = ROOT / "resources" / "models" / "tiny-reasoner"
ROUNDS = 3
CUTS = {f"{cut}": {"reasoning": "truncate", "fraction": cut} for cut in (0.25, 0.5, 0.75, 0.9)}
CONDITIONS: dict[str, dict[str, Any] | None] = {
    BASELINE: None,
    "empty": {"reasoning": "empty"},
    "forced": {"reasoning": "keep", "answer": "forced"},
    "blocked": {"reasoning": "keep", "attention": "blocked"},
    **CUTS,
}
QWEN2 = {
    "vocab_size": 151_936,
    "num_hidden_layers": 28,
    "hidden_size": 1536,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "intermediate_size": 8960,
    "max_position_embeddings": 32_768,
}


class Sizes(NamedTuple):
    """How much of everything."""

    problems: int
    alone: int
    """Problems that the library writes one at a time, spread over all."""
    batch_rows: int
    written: int
    """Tokens of a trace, at most."""
    read: int
    """Tokens of the long trace that samples start from."""
    places: int
    samples: int
    continued: int
    """Tokens of a sample, at most."""
    unshared: int
    """Samples that are also written from prompts read alone."""


SIZES = {
    "cpu": Sizes(24, 6, 64, 96, 400, 100, 100, 24, 300),
    "cuda": Sizes(256, 2, 512, 256, 256, 100, 100, 32, 500),
}


@dataclass(frozen=True)
class Timed:
    """Calls that were made in turns."""

    seconds: Mapping[str, list[float]]
    found: Mapping[str, Any]

    def ratio(self, name: str, base: str, scale: float = 1.0) -> str:
        """How many times as long `name` takes as `base`."""
        pairs = zip(self.seconds[name], self.seconds[base], strict=True)
        ratios = [scale * slow / quick for slow, quick in pairs]
        return f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def timed(calls: Mapping[str, Callable[[], Any]], device: torch.device) -> Timed:
    """Make the calls in turns; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    found = {}
    for round_ in range(ROUNDS + 1):
        for name, call in calls.items():
            before = clock(device)
            found[name] = call()
            if round_:
                seconds[name].append(clock(device) - before)
    return Timed(seconds, found)


@dataclass
class Bench:
    """One model, as the engine and as the library run it."""

    model: ReasoningModel
    library: PreTrainedModel
    device: torch.device
    sizes: Sizes
    problems: list[Problem]

    @property
    def recipe(self) -> Recipe:
        return Recipe(CONDITIONS, {"decoding": {"seed": 0}}, "the problems themselves")

    def fresh(self, **changes) -> ReasoningModel:
        """The same model with an engine that has read nothing yet."""
        old = self.model.engine
        engine = WritingEngine(
            old.decoder, replace(old.how, **changes), batch_rows=self.sizes.batch_rows
        )
        return replace(self.model, engine=engine)


def load(folder: Path, device: torch.device, sizes: Sizes) -> Bench:
    """The model in `folder`, twice."""
    decoding = {"max_new_tokens": sizes.written, "temperature": 0.0, "top_p": 1.0}
    model = load_reasoning_model(
        {"precision": "float32", "style": STYLE},
        {"model": str(folder)},
        decoding,
        device=str(device),
        batch_rows=sizes.batch_rows,
    )
    library = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    )
    problems = as_problems(make_problems(sizes.problems, seed=1))
    return Bench(model, library.eval().to(device), device, sizes, problems)


def random_model(folder: Path, device: torch.device, shape: Mapping[str, int] = QWEN2) -> Path:
    """Write a model with random weights and the tokenizer of the embedded one; it never stops."""
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = Qwen2Config(**shape, **ids, tie_word_embeddings=False)
    torch.manual_seed(0)
    with device:
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    for file in EMBEDDED.glob("tokenizer*.json"):
        shutil.copy(file, folder)
    return folder
