"""Training batches for the embedded latent-CoT model."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from cotsieve.demo.stories import Problem
from cotsieve.demo.tiny_evaluation import LATENTS
from cotsieve.demo.tiny_model import ModelShape
from cotsieve.demo.vocabulary import LARGEST_NUMBER

IGNORED = -100
OPERATORS = "+-*/"


@dataclass
class Batch:
    """Right-padded tensors of one training batch."""

    steps: Tensor
    question: Tensor
    lengths: Tensor
    results: Tensor
    parse: Tensor
    teacher: Tensor
    teacher_lengths: Tensor
    answer: Tensor


class Corpus:
    """Encoded training problems, served in batches of similar length."""

    def __init__(
        self, problems: list[Problem], tokenizer: PreTrainedTokenizerBase, shape: ModelShape
    ) -> None:
        self.problems = problems
        self.number = [tokenizer.convert_tokens_to_ids(str(n)) for n in range(LARGEST_NUMBER + 1)]
        self.phrase = tokenizer.encode("The answer is:", add_special_tokens=False)
        self.end = tokenizer.eos_token_id
        self.bot = shape.bot
        self.questions = tokenizer([p.question for p in problems])["input_ids"]
        blocks = [" ".join(step.block() for step in p.steps) for p in problems]
        self.chains = tokenizer(blocks, add_special_tokens=False)["input_ids"]

    def batches(self, rng: random.Random, size: int, pool: int) -> Iterator[Batch]:
        """Yield batches for ever; rows of similar length go together to save padding."""
        while True:
            order = list(range(len(self.problems)))
            rng.shuffle(order)
            for start in range(0, len(order) - size * pool + 1, size * pool):
                group = sorted(
                    order[start : start + size * pool], key=lambda i: len(self.questions[i])
                )
                parts = [group[i : i + size] for i in range(0, len(group), size)]
                rng.shuffle(parts)
                yield from map(self.collate, parts)

    def collate(self, rows: list[int]) -> Batch:
        """Turn rows into tensors."""
        steps = [self.problems[row].steps for row in rows]
        last = [chain[-1].result for chain in steps]
        tail = [[*self.phrase, self.number[n], self.end] for n in last]
        teacher = [self.chains[row] + end for row, end in zip(rows, tail, strict=True)]
        results = [[s.result for s in c] + [c[-1].result] * (LATENTS - len(c)) for c in steps]
        parse = [
            [[OPERATORS.index(s.operator), s.left, s.right] for s in chain]
            + [[IGNORED] * 3] * (LATENTS - len(chain))
            for chain in steps
        ]
        questions = [[*self.questions[row], self.bot] for row in rows]
        return Batch(
            steps=torch.tensor([len(chain) for chain in steps]),
            question=pad(questions, self.end),
            lengths=torch.tensor([len(q) for q in questions]),
            results=torch.tensor(self.number)[torch.tensor(results)],
            parse=torch.tensor(parse),
            teacher=pad(teacher, IGNORED),
            teacher_lengths=torch.tensor([len(t) for t in teacher]),
            answer=torch.tensor(tail),
        )


def pad(rows: list[list[int]], filler: int) -> Tensor:
    """Right-pad rows to a tensor."""
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
