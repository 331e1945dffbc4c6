"""Greedy answers of the embedded model, with and without interventions on its thoughts."""

import random
import re
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from cotsieve.demo.stories import Problem
from cotsieve.demo.tiny_model import TinyCodi

LATENTS = 6
ANSWER_PATTERN = re.compile(r"answer is\s*:?\s*(-?\d+)")
LONGEST_ANSWER = 12
STRATA = {"2-step": (2,), "3-step": (3,), "4-step": (4,), "5+step": (5, 6)}


@dataclass
class Replacement:
    """Overwrite the middle block's output at the first latents.

    `vectors` is None for zeros, otherwise (latents, hidden) or (problems, latents, hidden).
    """

    latents: int = LATENTS
    vectors: Tensor | None = None

    def at(self, latent: int, rows: Tensor, hidden: int) -> Tensor:
        """Return the vectors for one latent of some problems, (rows, 1, hidden)."""
        if self.vectors is None:
            return torch.zeros(len(rows), 1, hidden)
        if self.vectors.ndim == 2:
            return self.vectors[latent].expand(len(rows), 1, -1)
        return self.vectors[rows, latent][:, None]


@dataclass
class Answers:
    """Predicted numbers and the middle block's outputs at the latents."""

    predictions: list[int | None]
    activations: Tensor


class Answerer:
    """Runs a model on problems in the codi-eval style."""

    def __init__(
        self, model: TinyCodi, tokenizer: PreTrainedTokenizerBase, batch: int = 100
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch = batch

    @torch.inference_mode()
    def answer(self, problems: list[Problem], replacement: Replacement | None = None) -> Answers:
        """Answer all problems greedily."""
        shape = self.model.shape
        texts = [problem.question.strip().replace("  ", " ") for problem in problems]
        questions = [[*ids, shape.bot] for ids in self.tokenizer(texts)["input_ids"]]
        order = sorted(range(len(questions)), key=lambda row: len(questions[row]))
        predictions: list[int | None] = [None] * len(questions)
        activations = torch.zeros(len(questions), LATENTS, shape.hidden)
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            found, seen = self._answer_batch([questions[row] for row in rows], rows, replacement)
            activations[rows] = seen
            for row, number in zip(rows, found, strict=True):
                predictions[row] = number
        return Answers(predictions, activations)

    def _answer_batch(
        self, questions: list[list[int]], rows: list[int], replacement: Replacement | None
    ) -> tuple[list[int | None], Tensor]:
        model, shape = self.model, self.model.shape
        lengths = torch.tensor([len(question) for question in questions])
        ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
        for row, question in enumerate(questions):
            ids[row, : len(question)] = torch.tensor(question)
        result, context = model.read(ids, lengths)
        state = result.final[torch.arange(len(rows)), lengths - 1][:, None]
        everywhere = torch.ones(len(rows), 1, dtype=torch.bool)
        seen = []
        for latent in range(LATENTS):
            replace = None
            if replacement is not None and latent < replacement.latents:
                vectors = replacement.at(latent, torch.tensor(rows), shape.hidden)
                replace = (shape.middle_block, everywhere, vectors)
            result = model.extend(context, model.prj(state), replace=replace)
            seen.append(result.blocks[shape.middle_block])
            state = result.final
        token = torch.full((len(rows), 1), shape.eot)
        tokens = []
        for _ in range(LONGEST_ANSWER):
            final = model.extend(context, model.embed_tokens(token)).final
            # Of the three extra rows only eot is cut away.
            token = model.logits(final)[..., : shape.eot].argmax(-1)
            tokens.append(token)
        return [self._number(row) for row in torch.cat(tokens, 1).tolist()], torch.cat(seen, 1)

    def _number(self, ids: list[int]) -> int | None:
        end = self.tokenizer.eos_token_id
        ids = ids[: ids.index(end)] if end in ids else ids
        known = [index for index in ids if index < self.model.shape.vocabulary]
        match = ANSWER_PATTERN.search(self.tokenizer.decode(known, skip_special_tokens=True))
        return int(match.group(1)) if match else None


def correct(problems: list[Problem], answers: Answers) -> list[bool]:
    """Compare predictions with the true results."""
    pairs = zip(problems, answers.predictions, strict=True)
    return [problem.result == prediction for problem, prediction in pairs]


def stratum_table(
    problems: list[Problem], baseline: list[bool], ablated: list[bool]
) -> dict[str, dict[str, float]]:
    """Accuracies in per cent and the share of needs-CoT among the baseline-correct."""
    table = {}
    for name, counts in STRATA.items():
        rows = [i for i, problem in enumerate(problems) if len(problem.steps) in counts]
        right = [i for i in rows if baseline[i]]
        needed = [i for i in right if not ablated[i]]
        table[name] = {
            "problems": len(rows),
            "baseline": percent(len(right), len(rows)),
            "zeroed": percent(sum(ablated[i] for i in rows), len(rows)),
            "needs_cot": len(needed),
            "needs_cot_share": percent(len(needed), len(right)),
        }
    return table


def percent(part: int, whole: int) -> float:
    """Return a percentage with one decimal."""
    return round(100 * part / max(1, whole), 1)


def by_steps(problems: list[Problem], right: list[bool]) -> dict[str, float]:
    """Accuracy in per cent, overall and for every step count."""
    result = {"all": percent(sum(right), len(right))}
    for steps in sorted({len(problem.steps) for problem in problems}):
        rows = [r for p, r in zip(problems, right, strict=True) if len(p.steps) == steps]
        result[str(steps)] = percent(sum(rows), len(rows))
    return result


def needs_table(answerer: Answerer, problems: list[Problem]) -> dict[str, dict[str, float]]:
    """Run baseline and default ablation only."""
    baseline = correct(problems, answerer.answer(problems))
    ablated = correct(problems, answerer.answer(problems, Replacement()))
    return stratum_table(problems, baseline, ablated)


def survey(answerer: Answerer, problems: list[Problem], reference: list[Problem]) -> dict:
    """Run baseline, default ablation, its controls and partial ablations."""
    normal = answerer.answer(problems)
    mean = answerer.answer(reference).activations.mean(0)
    donors = list(range(len(problems)))
    random.Random(0).shuffle(donors)
    swapped = torch.empty_like(normal.activations)
    # Every problem gets the activations of the next one in a shuffled circle, never its own.
    swapped[donors] = normal.activations[donors[1:] + donors[:1]]
    conditions = {f"first {k} zeroed": Replacement(k) for k in range(1, LATENTS)}
    conditions |= {
        "all 6 zeroed": Replacement(),
        "all 6 set to the mean": Replacement(vectors=mean),
        "all 6 from another problem": Replacement(vectors=swapped),
        "all 6 set to their own values": Replacement(vectors=normal.activations),
    }
    right = {"baseline": correct(problems, normal)}
    for name, replacement in conditions.items():
        right[name] = correct(problems, answerer.answer(problems, replacement))
    return {
        "strata": stratum_table(problems, right["baseline"], right["all 6 zeroed"]),
        "accuracy": {name: by_steps(problems, rows) for name, rows in right.items()},
    }
