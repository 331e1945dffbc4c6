"""Train the embedded model that writes its reasoning, on generated stories, and export it.

Plain next-token training of a small LLaMA model on what follows the prompt. A small share of the
rows has the published prompts without reasoning, so that the model knows how to answer there; it
is kept small, so that it rarely answers right without its reasoning. It runs on one CPU core.
"""

import argparse
import json
import math
import platform
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from cotsieve.answers.thinking import CLOSE
from cotsieve.demo import stories
from cotsieve.demo.reasoner_evaluation import survey
from cotsieve.demo.reasoner_text import (
    LARGEST_NUMBER,
    LONGEST_SEQUENCE,
    answer,
    build_text_tokenizer,
    prompt,
    thought,
)
from cotsieve.demo.tiny_corpus import IGNORED, pad
from cotsieve.demo.tiny_export import base_config, export_base, write_json
from cotsieve.demo.tiny_model import INITIAL_GAIN, ModelShape
from cotsieve.interventions.prompts import THOUGHTS

STATED = -4
"""Place of the stated answer in a reasoning that ends "So the answer is N.", line end, tag."""
BLANK_THOUGHTS = (THOUGHTS["empty"], THOUGHTS["finished"])
CAVEATS = (
    "Trained on rows with the empty and the finished thought, so that it answers in form there; "
    "what it gets right without reasoning is learned behaviour, set by blank_share.",
    "Also trained to answer what the last sentence states where that differs from the steps.",
    "It reads its answer off the reasoning: with half of it, or without the last result, it does "
    "not work out the rest and is right about as rarely as with another problem's reasoning.",
    "All problems come from the same templates as the training problems: accuracies say nothing "
    "about real GSM8K questions, most of whose words are unknown here.",
    "Numbers over 160 are read as several tokens; no problem or reasoning of the demo has one.",
)


@dataclass(frozen=True)
class Settings:
    """Everything that determines the result."""

    seed: int = 1
    train_problems: int = 80_000
    train_seed: int = 1
    sample_problems: int = 200
    sample_seed: int = 7
    fresh_problems: int = 400
    fresh_seed: int = 5
    batch: int = 64
    pool: int = 8
    steps: int = 1200
    rate: float = 3e-3
    warm_up: int = 100
    final_rate: float = 0.02
    weight_decay: float = 0.05
    clip: float = 1.0
    blank_share: float = 0.08
    """Share of rows with a blank thought; the loss is then on the answer alone."""
    misled_share: float = 0.04
    """Share of rows whose last sentence states a drawn number, which is then the answer to give;
    the loss is on the answer alone."""


class Texts:
    """Training rows: prompt, reasoning and answer of every problem."""

    def __init__(
        self,
        problems: list[stories.Problem],
        tokenizer: PreTrainedTokenizerBase,
        settings: Settings,
    ) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.end = tokenizer.eos_token_id
        self.results = [problem.result for problem in problems]
        self.prompts = self._ids([prompt(problem) for problem in problems], begin=True)
        self.thoughts = self._ids([thought(problem) + CLOSE for problem in problems])
        self.answers = self._ids([answer(number) for number in range(LARGEST_NUMBER + 1)])
        self.blank_thoughts = self._ids([f"\n{text}{CLOSE}" for text in BLANK_THOUGHTS])
        numbers = self._ids([str(number) for number in range(LARGEST_NUMBER + 1)])
        self.numbers = [number for (number,) in numbers]

    def _ids(self, texts: list[str], begin: bool = False) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=begin)["input_ids"]

    def row(self, index: int, rng: random.Random) -> tuple[list[int], int]:
        """Token ids of one row and how many of them are only read."""
        before, chain, result = self.prompts[index], self.thoughts[index], self.results[index]
        drawn = rng.random() - self.settings.blank_share
        if drawn < 0:
            read = before[:-1] + rng.choice(self.blank_thoughts)  # it brings the line end
        elif drawn < self.settings.misled_share:
            result = rng.randint(1, LARGEST_NUMBER)
            read = before + chain[:STATED] + [self.numbers[result]] + chain[STATED + 1 :]
        else:
            return [*before, *chain, *self.answers[result], self.end], len(before)
        return [*read, *self.answers[result], self.end], len(read)

    def batches(self, rng: random.Random, size: int, pool: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ids and targets for ever; rows of similar length go together to save padding."""
        while True:
            order = list(range(len(self.prompts)))
            rng.shuffle(order)
            for start in range(0, len(order) - size * pool + 1, size * pool):
                rows = [self.row(index, rng) for index in order[start : start + size * pool]]
                rows.sort(key=lambda row: len(row[0]))
                parts = [rows[i : i + size] for i in range(0, len(rows), size)]
                rng.shuffle(parts)
                for part in parts:
                    targets = [[IGNORED] * (read - 1) + ids[read:] for ids, read in part]
                    yield pad([ids[:-1] for ids, _ in part], self.end), pad(targets, IGNORED)


def new_model(config: LlamaConfig) -> LlamaForCausalLM:
    """A model with random weights: embeddings small, what adds to the residual scaled by depth."""
    model = LlamaForCausalLM(config)
    depth_scale = 1 / math.sqrt(2 * config.num_hidden_layers)
    for name, module in model.model.named_modules():
        if isinstance(module, nn.Linear):
            scale = depth_scale if name.endswith(("o_proj", "down_proj")) else 1.0
            nn.init.normal_(module.weight, std=scale / math.sqrt(module.in_features))
    nn.init.normal_(model.model.embed_tokens.weight, std=INITIAL_GAIN)
    return model


def optimisers_of(model: LlamaForCausalLM, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    gains = [p for p in model.parameters() if p.ndim == 1]
    decay, rate = settings.weight_decay, settings.rate
    groups = [
        {"params": [model.model.embed_tokens.weight], "weight_decay": decay},
        {"params": gains, "weight_decay": 0.0},
    ]
    return [
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98)),
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
    ]


def rate_at(step: int, settings: Settings) -> float:
    """Learning rate: warm up, then cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    floor = settings.final_rate
    return settings.rate * min(1.0, (step + 1) / settings.warm_up) * (floor + (1 - floor) * cosine)


def loss_of(model: LlamaForCausalLM, ids: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy at the places with a target; padding stands behind a row, so no mask."""
    counted = targets != IGNORED
    with torch.autocast("cpu", torch.bfloat16):
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state[counted]
        return F.cross_entropy(model.lm_head(states).float(), targets[counted])


def train_model(model: LlamaForCausalLM, texts: Texts, settings: Settings) -> list[float]:
    """Train in place; returns the mean loss of every hundred steps."""
    batches = texts.batches(random.Random(settings.seed), settings.batch, settings.pool)
    optimisers = optimisers_of(model, settings)
    start, losses, history = time.perf_counter(), [], []
    for step in range(settings.steps):
        loss = loss_of(model, *next(batches))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, settings)
            optimiser.step()
        model.zero_grad()
        losses.append(loss.item())
        if len(losses) == 100 or step + 1 == settings.steps:
            history.append(round(sum(losses) / len(losses), 4))
            print(f"{step + 1} {time.perf_counter() - start:.0f}s {history[-1]}", flush=True)
            losses = []
    return history


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Write a plain Hugging Face folder with weights in half precision."""
    model.half().save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    export_base(configuration(tokenizer), tokenizer, out)


def configuration(tokenizer: PreTrainedTokenizerBase) -> dict:
    """Content of config.json."""
    config = base_config(ModelShape(len(tokenizer)), tokenizer)
    return config | {"max_position_embeddings": LONGEST_SEQUENCE}


def held_out(settings: Settings) -> dict[str, list[stories.Problem]]:
    """Draw the problem sets that are kept out of training."""
    return {
        "sample": stories.make_sample(settings.sample_problems, settings.sample_seed),
        "fresh": stories.make_sample(settings.fresh_problems, settings.fresh_seed),
    }


def train(settings: Settings, out: Path) -> None:
    """Train, export, and measure the exported files with this package's own engine."""
    tokenizer = build_text_tokenizer()
    problems = held_out(settings)
    questions = {problem.question for part in problems.values() for problem in part}
    drawn = stories.make_problems(settings.train_problems, settings.train_seed, questions)
    texts = Texts(drawn, tokenizer, settings)
    torch.manual_seed(settings.seed)
    config = LlamaConfig(**configuration(tokenizer), attn_implementation="eager")
    model = new_model(config)
    history = train_model(model, texts, settings)
    export(model, tokenizer, out)
    record = training_record(settings, history, out, problems)
    write_json(record, out / "training.json")
    print(json.dumps(record["measured"], indent=1))


def training_record(
    settings: Settings, losses: list[float], out: Path, problems: dict[str, list[stories.Problem]]
) -> dict:
    """Describe how the weights were made, and what the exported files do on the problems."""
    return {
        "command": "python -m cotsieve.demo.train_reasoner --out resources/models/tiny-reasoner",
        "settings": asdict(settings),
        "caveats": CAVEATS,
        "mean_loss_of_every_hundred_steps": losses,
        "measured": {name: survey(out, part) for name, part in problems.items()},
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def main() -> None:
    """Train and export the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(Settings(), arguments.out)


if __name__ == "__main__":
    main()
