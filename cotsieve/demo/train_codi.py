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
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from cotsieve.demo import stories
from cotsieve.demo.tiny_corpus import IGNORED, OPERATORS, Batch, Corpus
from cotsieve.demo.tiny_evaluation import LATENTS, Answerer, needs_table, survey
from cotsieve.demo.tiny_export import (
    export_checkpoint,
    load_exported,
    rounded,
    split_change,
    training_record,
    write_json,
)
from cotsieve.demo.tiny_model import Context, ModelShape, Pass, TinyCodi
from cotsieve.demo.vocabulary import LARGEST_NUMBER, build_tokenizer

ENOUGH_MARGIN = 10.0  # points between every needs-CoT share and the bounds of 30 and 90 per cent
COLON = 4  # place of ":" in the student's answer input: eot The answer is : N


@dataclass(frozen=True)
class Settings:
    """Everything that determines the result."""

    seed: int = 1
    train_problems: int = 80_000
    train_seed: int = 1
    validation_problems: int = 1_000
    validation_seed: int = 2
    fresh_problems: int = 1_000
    fresh_seed: int = 3
    reference_problems: int = 64
    reference_seed: int = 4
    sample_problems: int = 200
    sample_seed: int = 7
    batch: int = 64
    pool: int = 4
    teacher_steps: int = 350
    forced_steps: int = 250
    mixed_steps: int = 400
    free_steps: int = 1400
    teacher_every: int = 2
    rate: float = 3e-3
    warm_up: int = 100
    final_rate: float = 0.03
    weight_decay: float = 0.05
    clip: float = 1.0
    tune_steps: int = 720
    tune_rate: float = 1.5e-3
    tune_warm_up: int = 20
    tune_check: int = 60
    # Chance, by number of steps, that all thoughts of a problem are zeroed while tuning.
    zero_chance: tuple[float, ...] = (0.04, 0.4, 0.6, 0.6, 0.6)


def at(values: Tensor, places: Tensor) -> Tensor:
    """Pick one place per row from (batch, tokens, hidden)."""
    return values[torch.arange(len(places)), places]


class Trainer(nn.Module):
    """Model, training-only heads, optimisers and the losses."""

    def __init__(self, model: TinyCodi, settings: Settings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        # Read operator and operands off an early block: a training aid that is not exported.
        hidden = model.shape.hidden
        numbers = LARGEST_NUMBER + 1
        sizes = (len(OPERATORS), numbers, numbers)
        self.parse_heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
        self.number_hits = torch.zeros(0)

    # -- forward passes --------------------------------------------------------------------

    def read(self, batch: Batch) -> tuple[Pass, Context]:
        """Read questions and bot."""
        return self.model.read(batch.question, batch.lengths)

    def teacher_loss(self, context: Context, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Cross-entropy of the explicit chain, and the block outputs at the colon."""
        context = self.model.fork(context)
        bot = batch.lengths - 1
        # The teacher never sees bot: hide its key and reuse its position.
        context.keys_allowed = context.keys_allowed.clone()
        context.keys_allowed[torch.arange(len(bot)), bot] = False
        context.next_position = bot
        ids = batch.teacher[:, :-1].clamp(min=0)
        result = self.model.extend(context, self.model.embed_tokens(ids))
        logits = self.model.logits(result.final).float()
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch.teacher[:, 1:].flatten(), ignore_index=IGNORED
        )
        return loss, [at(block, batch.teacher_lengths - 3) for block in result.blocks]

    def answer_inputs(self, batch: Batch) -> Tensor:
        """Embeddings of eot and the answer without its end."""
        eot = torch.full_like(batch.answer[:, :1], self.model.shape.eot)
        return self.model.embed_tokens(torch.cat((eot, batch.answer[:, :-1]), 1))

    def think_forced(self, context: Context, batch: Batch) -> tuple[Pass, Pass]:
        """Feed the true step results as latents, all in one pass."""
        latents = self.model.embed_tokens(batch.results)
        inputs = torch.cat((latents, self.answer_inputs(batch)), 1)
        result = self.model.extend(context, inputs)

        def part(window: slice) -> Pass:
            return Pass([block[:, window] for block in result.blocks], result.final[:, window])

        return part(slice(0, LATENTS)), part(slice(LATENTS, None))

    def think_free(
        self, context: Context, batch: Batch, bot: Tensor, zeroed: Tensor | None
    ) -> tuple[Pass, Pass]:
        """Feed back the model's own latents one by one, zeroing the marked rows."""
        replace = None
        if zeroed is not None:
            replace = (self.model.shape.middle_block, zeroed[:, None], torch.zeros(()))
        passes, state = [], bot[:, None]
        for _ in range(LATENTS):
            passes.append(self.model.extend(context, self.model.prj(state), replace=replace))
            state = passes[-1].final
        blocks = [torch.cat(parts, 1) for parts in zip(*(p.blocks for p in passes), strict=True)]
        thought = Pass(blocks, torch.cat([p.final for p in passes], 1))
        return thought, self.model.extend(context, self.answer_inputs(batch))

    # -- losses ----------------------------------------------------------------------------

    def answer_loss(self, answer: Pass, batch: Batch) -> Tensor:
        """Cross-entropy of the answer, mostly of its number."""
        logits = self.model.logits(answer.final).float()
        losses = F.cross_entropy(logits.transpose(1, 2), batch.answer, reduction="none")
        self.number_hits = (logits[:, COLON].argmax(-1) == batch.answer[:, COLON]).float()
        return losses[:, COLON].mean() + 0.2 * losses.mean()

    def step_losses(self, states: Pass, batch: Batch, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of reading results and of reading operators and operands off the latents."""
        logits = self.model.logits(states.final).float()
        losses = F.cross_entropy(logits.transpose(1, 2), batch.results, reduction="none")
        result = (losses * counted).sum() / counted.sum()
        early = F.rms_norm(states.blocks[1].float(), (self.model.shape.hidden,))
        parse = torch.zeros(())
        for index, head in enumerate(self.parse_heads):
            target = batch.parse[..., index].masked_fill(~counted, IGNORED)
            parse = parse + F.cross_entropy(
                head(early).float().flatten(0, 1), target.flatten(), ignore_index=IGNORED
            )
        return result, parse

    def distillation(self, answer: Pass, teacher: list[Tensor]) -> Tensor:
        """Distance between student and teacher at the colon, over all blocks."""
        distances = []
        for student, goal in zip(answer.blocks, teacher, strict=True):
            goal = goal.detach().float()
            spread = goal.std() + 1e-6
            distances.append(F.smooth_l1_loss(student[:, COLON].float() / spread, goal / spread))
        return torch.stack(distances).mean()

    def joint_loss(
        self, batch: Batch, forced: bool, with_teacher: bool, zeroed: Tensor | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Sum of all losses of one batch."""
        question, context = self.read(batch)
        parts: dict[str, Tensor] = {}
        if with_teacher:
            parts["teacher"], goal = self.teacher_loss(context, batch)
        bot = Pass(
            [at(block, batch.lengths - 1)[:, None] for block in question.blocks],
            at(question.final, batch.lengths - 1)[:, None],
        )
        if forced:
            thought, answer = self.think_forced(context, batch)
        else:
            thought, answer = self.think_free(context, batch, bot.final[:, 0], zeroed)
        # bot holds the first result, latent 1 the second, and so on.
        states = Pass(
            [torch.cat((b, t[:, :-1]), 1) for b, t in zip(bot.blocks, thought.blocks, strict=True)],
            torch.cat((bot.final, thought.final[:, :-1]), 1),
        )
        counted = torch.ones_like(batch.results, dtype=torch.bool)
        if zeroed is not None:
            counted[:, 1:] = ~zeroed[:, None]
        parts["answer"] = self.answer_loss(answer, batch)
        parts["result"], parse = self.step_losses(states, batch, counted)
        parts["parse"] = 0.5 * parse
        if with_teacher:
            parts["distil"] = self.distillation(answer, goal)
        if forced:
            goal = self.model.embed_tokens(batch.results).detach()
            gap = (self.model.prj(states.final).float() - goal).square().sum(-1)
            parts["latent"] = (gap / goal.square().sum(-1)).mean()
        return sum(parts.values()), {name: value.item() for name, value in parts.items()}

    # -- optimisation ----------------------------------------------------------------------

    def base_optimisers(self) -> list[torch.optim.Optimizer]:
        """Optimisers of everything but the adapters."""
        names = dict(self.model.named_parameters())
        matrices = [p for n, p in names.items() if "base_layer" in n]
        others = [p for n, p in names.items() if "base_layer" not in n and "lora" not in n]
        others += self.parse_heads.parameters()
        decay, rate = self.settings.weight_decay, self.settings.rate
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0},
        ]
        return [
            torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98)),
            torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        ]

    def update(self, loss: Tensor, optimisers: list[torch.optim.Optimizer], rate: float) -> None:
        """Take one optimiser step."""
        loss.backward()
        parameters = [p for o in optimisers for g in o.param_groups for p in g["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        self.zero_grad()


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
