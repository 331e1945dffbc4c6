"""Keys and values of prompts, and of many continuations that share them without copies.

Shapes, used throughout: B problems, C continuations of each, N key/value heads, D head size,
P prompt tokens (padded on the right).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.products import rounded_up

PROMPT_STEP = 8
"""On a GPU prompts are padded to a multiple of so many tokens: other products take old kernels."""


@dataclass
class Prompts:
    """Keys and values of B prompts in every layer; pads lie on the right and are never read."""

    keys: list[Tensor]
    """Per layer (B, N, P, D)."""
    values: list[Tensor]
    lengths: Tensor
    """Real tokens of each prompt, (B,) int64."""
    mask: Tensor
    """0 where a prompt token is real, -inf where it is a pad, (B, 1, 1, P) float32."""

    def select(self, problems: Tensor) -> "Prompts":
        longest = int(self.lengths[problems].max())
        longest = min(self.mask.shape[-1], rounded_up(longest, PROMPT_STEP, self.lengths.device))
        return Prompts(
            [keys[problems, :, :longest] for keys in self.keys],
            [values[problems, :, :longest] for values in self.values],
            self.lengths[problems],
            self.mask[problems, :, :, :longest],
        )

    @classmethod
    def join(cls, parts: list["Prompts"]) -> "Prompts":
        """One batch of several."""
        if len(parts) == 1:
            return parts[0]
        longest = max(part.mask.shape[-1] for part in parts)
        layers = range(len(parts[0].keys))
        return cls(
            [_stacked([part.keys[i] for part in parts], longest) for i in layers],
            [_stacked([part.values[i] for part in parts], longest) for i in layers],
            torch.cat([part.lengths for part in parts]),
            torch.cat([_widened(part.mask, longest) for part in parts]),
        )


@dataclass
class Continuations:
    """C continuations of each of B prompts: their own keys and values, grown one token a step."""

    prompts: Prompts
    count: int
    """C."""
    keys: list[Tensor]
    """Per layer (B, N, C, capacity, D)."""
    values: list[Tensor]
    length: int
    """Tokens every continuation has so far."""

    @classmethod
    def begin(cls, prompts: Prompts, count: int, capacity: int) -> "Continuations":
        problems, heads, _, size = prompts.keys[0].shape
        shape = (problems, heads, count, capacity, size)
        empty = [prompts.keys[0].new_empty(shape) for _ in range(2 * len(prompts.keys))]
        return cls(prompts, count, empty[::2], empty[1::2], 0)

    def fork(self, count: int) -> "Continuations":
        """Every single continuation becomes `count` equal ones."""
        forked = Continuations.begin(self.prompts, count, self.keys[0].shape[3])
        for new, old in zip(forked.keys + forked.values, self.keys + self.values, strict=True):
            new[:, :, :, : self.length] = old[:, :, :, : self.length]
        forked.length = self.length
        return forked

    def select(self, rows: Tensor) -> "Continuations":
        """Keep the rows named by b * C + c, each as a problem with one continuation."""
        problems, which = rows // self.count, rows % self.count
        return Continuations(
            self.prompts.select(problems),
            1,
            [keys[problems, :, which][:, :, None] for keys in self.keys],
            [values[problems, :, which][:, :, None] for values in self.values],
            self.length,
        )

    @property
    def positions(self) -> Tensor:
        """Position of the next token of each continuation, (B, 1)."""
        return self.prompts.lengths[:, None] + self.length

    @property
    def mask(self) -> Tensor:
        """0 where a prompt token is seen, -inf where not, (B, 1, 1, 1, P) float32."""
        return self.prompts.mask[:, :, :, None]

    @classmethod
    def join(cls, parts: list["Continuations"]) -> "Continuations":
        """One batch of several with a single continuation per problem and equal lengths."""
        prompts = Prompts.join([part.prompts for part in parts])
        capacity = max(part.keys[0].shape[3] for part in parts)
        layers = range(len(parts[0].keys))
        return cls(
            prompts,
            1,
            [_stacked([part.keys[i] for part in parts], capacity) for i in layers],
            [_stacked([part.values[i] for part in parts], capacity) for i in layers],
            parts[0].length,
        )

    @property
    def device(self) -> torch.device:
        return self.prompts.lengths.device

    def room_for(self, tokens: int) -> None:
        """Make sure that `tokens` more fit."""
        capacity = self.keys[0].shape[3]
        if self.length + tokens > capacity:
            extra = max(tokens, capacity)
            self.keys = [F.pad(keys, (0, 0, 0, extra)) for keys in self.keys]
            self.values = [F.pad(values, (0, 0, 0, extra)) for values in self.values]


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """0 where a token is real, -inf where it is a pad, (B, 1, 1, size) float32."""
    pads = torch.arange(size, device=lengths.device)[None] >= lengths[:, None]
    mask = torch.zeros(pads.shape, device=lengths.device).masked_fill_(pads, -torch.inf)
    return mask[:, None, None]


def _stacked(parts: list[Tensor], tokens: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, tokens - part.shape[-2])) for part in parts])


def _widened(mask: Tensor, tokens: int) -> Tensor:
    return F.pad(mask, (0, tokens - mask.shape[-1]), value=-torch.inf)
