"""Train the embedded latent-CoT model from generated story problems and export it.

The recipe is CODI-format but step-supervised: besides CODI's losses, the latents are trained to
hold the results of the single steps. It runs on one CPU core.
"""

import argparse
import copy
import json
import math
import random
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from cotsieve.demo import stories
from cotsieve.demo.codi_trainer import Settings, Trainer
from cotsieve.demo.tiny_corpus import Batch, Corpus
from cotsieve.demo.tiny_evaluation import Answerer, needs_table, survey
from cotsieve.demo.tiny_export import (
    export_checkpoint,
    load_exported,
    rounded,
    split_change,
    training_record,
    write_json,
)
from cotsieve.demo.tiny_model import ModelShape, TinyCodi
from cotsieve.demo.vocabulary import build_tokenizer

ENOUGH_MARGIN = 10.0  # points between every needs-CoT share and the bounds of 30 and 90 per cent


def schedule(step: int, settings: Settings, joint_steps: int) -> float:
    """Rate of the base phases: warm up, hold during the teacher phase, then cosine."""
    after = max(0, step - settings.teacher_steps) / joint_steps
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, after)))
    floor = settings.final_rate
    return settings.rate * min(1.0, (step + 1) / settings.warm_up) * (floor + (1 - floor) * cosine)


def forced_share(step: int, settings: Settings) -> float:
    """Share of batches with forced latents, `step` steps after the teacher phase."""
    if step < settings.forced_steps:
        return 1.0
    return max(0.0, 1 - (step - settings.forced_steps) / settings.mixed_steps)


def train_base(trainer: Trainer, corpus: Corpus) -> None:
    """Train without interventions: explicit chains, forced latents, then free latents."""
    settings = trainer.settings
    rng = random.Random(settings.seed)
    batches = corpus.batches(random.Random(settings.seed + 1), settings.batch, settings.pool)
    optimisers = trainer.base_optimisers()
    joint_steps = settings.forced_steps + settings.mixed_steps + settings.free_steps
    report = Report("base")
    for step in range(settings.teacher_steps + joint_steps):
        batch = next(batches)
        joint = step - settings.teacher_steps
        with torch.autocast("cpu", torch.bfloat16):
            if joint < 0:
                loss, _ = trainer.teacher_loss(trainer.read(batch)[1], batch)
                parts = {"teacher": loss.item()}
            else:
                forced = rng.random() < forced_share(joint, settings)
                loss, parts = trainer.joint_loss(
                    batch, forced, with_teacher=joint % settings.teacher_every == 0
                )
                if not forced:
                    parts["right"] = trainer.number_hits.mean().item()
        trainer.update(loss, optimisers, schedule(step, settings, joint_steps))
        report.add(step, parts)


def zeroed_rows(batch: Batch, chances: tuple[float, ...], generator: torch.Generator) -> Tensor:
    """Draw the rows whose thoughts are zeroed."""
    chance = torch.tensor(chances)[batch.steps - 2]
    return torch.rand(len(chance), generator=generator) < chance


def tune(
    trainer: Trainer,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    validation: list[stories.Problem],
) -> tuple[TinyCodi, list[dict]]:
    """Train on while some problems must be answered from zeroed thoughts.

    The change of the weights is split into adapters and base. Keeps the weights of the check
    with the best rank on the validation problems and returns what was measured at every check.
    """
    model, settings = trainer.model, trainer.settings
    optimisers = trainer.base_optimisers()
    start = copy.deepcopy(model)
    batches = corpus.batches(random.Random(settings.seed + 2), settings.batch, settings.pool)
    generator = torch.Generator().manual_seed(settings.seed)
    report, history, best = Report("tune"), [], ((), start)
    for step in range(settings.tune_steps):
        batch = next(batches)
        zeroed = zeroed_rows(batch, settings.zero_chance, generator)
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = trainer.joint_loss(batch, False, with_teacher=False, zeroed=zeroed)
        left = 1.02 - step / settings.tune_steps
        rate = settings.tune_rate * min(1.0, (step + 1) / settings.tune_warm_up, left)
        trainer.update(loss, optimisers, rate)
        for name, rows in (("right", ~zeroed), ("right zeroed", zeroed)):
            if rows.any():
                parts[name] = trainer.number_hits[rows].mean().item()
        report.add(step, parts)
        if (step + 1) % settings.tune_check == 0:
            candidate = split_change(start, model)
            table = needs_table(Answerer(rounded(candidate), tokenizer), validation)
            history.append({"step": step + 1, "margin": margin(table), "strata": table})
            print(json.dumps(history[-1]), flush=True)
            best = max(best, (rank(table), candidate), key=lambda pair: pair[0])
    return best[1], history


def margin(table: dict[str, dict[str, float]]) -> float:
    """Distance in points from the needs-CoT shares to the nearer end of 30..90 per cent."""
    shares = [row["needs_cot_share"] for row in table.values()]
    return round(min(min(share - 30, 90 - share) for share in shares), 1)


class Report:
    """Prints average losses every 50 steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, list[float]] = {}
        self.start = time.perf_counter()

    def add(self, step: int, parts: dict[str, float]) -> None:
        """Collect one step and print when due."""
        for name, value in parts.items():
            self.values.setdefault(name, []).append(value)
        if step % 50 == 49:
            means = {name: sum(v) / len(v) for name, v in self.values.items()}
            text = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
            print(
                f"{self.name} {step + 1} {time.perf_counter() - self.start:.0f}s {text}", flush=True
            )
            self.values = {}


def rank(table: dict[str, dict[str, float]]) -> tuple[float, float]:
    """Order checks: enough margin first, then the accuracy of the baseline."""
    total = sum(row["problems"] for row in table.values())
    accuracy = sum(row["baseline"] * row["problems"] for row in table.values()) / total
    return min(margin(table), ENOUGH_MARGIN), accuracy


def held_out(settings: Settings) -> dict[str, list[stories.Problem]]:
    """Draw the problem sets that are kept out of training."""
    return {
        "sample": stories.make_sample(settings.sample_problems, settings.sample_seed),
        "validation": stories.make_sample(settings.validation_problems, settings.validation_seed),
        "reference": stories.make_sample(settings.reference_problems, settings.reference_seed),
        "fresh": stories.make_sample(settings.fresh_problems, settings.fresh_seed),
    }


def train(settings: Settings, out: Path, base_weights: Path | None) -> None:
    """Train, export, reload the export and measure it."""
    tokenizer = build_tokenizer()
    shape = ModelShape(len(tokenizer))
    problems = held_out(settings)
    questions = {problem.question for part in problems.values() for problem in part}
    drawn = stories.make_problems(settings.train_problems, settings.train_seed, questions)
    corpus = Corpus(drawn, tokenizer, shape)
    torch.manual_seed(settings.seed)
    trainer = Trainer(TinyCodi(shape), settings)
    if base_weights is not None and base_weights.exists():
        trainer.load_state_dict(torch.load(base_weights, weights_only=True))
    else:
        train_base(trainer, corpus)
        if base_weights is not None:
            torch.save(trainer.state_dict(), base_weights)
    before = needs_table(Answerer(rounded(trainer.model), tokenizer), problems["validation"])
    print("before tuning", json.dumps(before), flush=True)
    history = [{"step": 0, "margin": margin(before), "strata": before}]
    tuned, checks = tune(trainer, corpus, tokenizer, problems["validation"])
    history += checks
    export_checkpoint(tuned, tokenizer, out)
    answerer = Answerer(load_exported(out, shape), tokenizer)
    record = training_record(shape, asdict(settings), history)
    record["measured"] = {
        name: survey(answerer, problems[name], problems["reference"])
        for name in ("validation", "sample", "fresh")
    }
    write_json(record, out / "training.json")
    print(json.dumps(record["measured"], indent=1))


def main() -> None:
    """Train and export the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--base-weights", type=Path, help="file to keep the weights before tuning in, for reuse"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(Settings(), arguments.out, arguments.base_weights)


if __name__ == "__main__":
    main()
