"""The latent model in training: what is set, the heads only training has, and the losses."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cotsieve.demo.tiny_corpus import IGNORED, OPERATORS, Batch
from cotsieve.demo.tiny_evaluation import LATENTS
from cotsieve.demo.tiny_model import Context, Pass, TinyCodi
from cotsieve.demo.vocabulary import LARGEST_NUMBER

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
