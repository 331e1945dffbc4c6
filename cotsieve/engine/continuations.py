"""Keys and values of prompts, and of many continuations that share them without copies.

Shapes, used throughout: B problems, C continuations of each, N key/value heads, D head size,
P prompt tokens (padded on the right).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
    """C continuations of each of B prompts: their own keys and values, grown one token a step.

    A continuation may leave its prompt early (`reach`), not see some of its tokens (`mask`), and
    start with pads of its own (`skip`); so all of them end at one place and grow together.
    """

    prompts: Prompts
    count: int
    """C."""
    keys: list[Tensor]
    """Per layer (B, N, C, capacity, D)."""
    values: list[Tensor]
    length: int
    """Tokens every continuation has so far, its own pads included."""
    reach: Tensor
    """Prompt tokens that come before each continuation, (B, 1 or C) int64."""
    mask: Tensor
    """0 where a prompt token is seen, -inf where not, (B, 1, 1 or C, 1, P) float32."""
    skip: Tensor | None = None
    """Pads at the start of each continuation, (B, C) int64; None: there are none."""

    @classmethod
    def begin(cls, prompts: Prompts, count: int, capacity: int) -> "Continuations":
        problems, heads, _, size = prompts.keys[0].shape
        shape = (problems, heads, count, capacity, size)
        empty = [prompts.keys[0].new_empty(shape) for _ in range(2 * len(prompts.keys))]
        reach, mask = prompts.lengths[:, None], prompts.mask[:, :, :, None]
        return cls(prompts, count, empty[::2], empty[1::2], 0, reach, mask)

    def fork(self, count: int) -> "Continuations":
        """Every single continuation becomes `count` equal ones."""
        forked = Continuations.begin(self.prompts, count, self.keys[0].shape[3])
        for new, old in zip(forked.keys + forked.values, self.keys + self.values, strict=True):
            new[:, :, :, : self.length] = old[:, :, :, : self.length]
        forked.length, forked.reach, forked.mask = self.length, self.reach, self.mask
        return forked

    def select(self, rows: Tensor) -> "Continuations":
        """Keep the rows named by b * C + c, each as a problem with one continuation."""
        problems, which = rows // self.count, rows % self.count
        prompts = self.prompts.select(problems)
        longest = prompts.keys[0].shape[2]
        return Continuations(
            prompts,
            1,
            [keys[problems, :, which][:, :, None] for keys in self.keys],
            [values[problems, :, which][:, :, None] for values in self.values],
            self.length,
            self.reach.expand(-1, self.count)[problems, which][:, None],
            self.mask.expand(-1, -1, self.count, -1, -1)[problems, :, which][
                :, :, None, :, :longest
            ],
            None if self.skip is None else self.skip[problems, which][:, None],
        )

    @property
    def positions(self) -> Tensor:
        """Position of the next token of each continuation, (B, 1 or C)."""
        if self.skip is None:
            return self.reach + self.length
        return self.reach + (self.length - self.skip).clamp(min=0)

    def own_mask(self, length: int) -> Tensor | None:
        """0 for a continuation's own tokens, -inf for its pads, (B, 1, C, 1, length)."""
        if self.skip is None:
            return None
        slots = torch.arange(length, device=self.skip.device)
        # The newest slot is always seen: a row of pads alone must not attend to nothing.
        hidden = (slots < self.skip[..., None]) & (slots < length - 1)
        return torch.zeros(hidden.shape, device=slots.device).masked_fill_(hidden, -torch.inf)[
            :, None, :, None
        ]

    def fold(self) -> "Continuations":
        """Every continuation's tokens become part of its prompt; needs one per problem."""
        tokens = (self.reach + self.length)[:, 0]
        if self.skip is not None:
            tokens = tokens - self.skip[:, 0]
        size = int(tokens.max())
        start = 0 if self.skip is None else self.skip
        slots = torch.arange(size, device=tokens.device)[None]
        own = slots - self.reach + start
        from_own = (slots >= self.reach) & (slots < tokens[:, None])
        prompts = Prompts(
            [
                self._folded(*pair, own, from_own)
                for pair in zip(self.prompts.keys, self.keys, strict=True)
            ],
            [
                self._folded(*pair, own, from_own)
                for pair in zip(self.prompts.values, self.values, strict=True)
            ],
            tokens,
            length_mask(tokens, size),
        )
        folded = Continuations.begin(prompts, 1, self.keys[0].shape[3])
        wider = max(0, size - self.mask.shape[-1])
        seen = F.pad(self.mask, (0, wider), value=-torch.inf)[..., :size]
        folded.mask = torch.where(from_own[:, None, None, None], torch.zeros_like(seen), seen)
        return folded

    @staticmethod
    def _folded(prompt: Tensor, own: Tensor, index: Tensor, from_own: Tensor) -> Tensor:
        size = index.shape[1]
        held = F.pad(prompt, (0, 0, 0, max(0, size - prompt.shape[2])))[:, :, :size]
        shape = (*held.shape[:2], size, held.shape[3])
        place = index.clamp(0, own.shape[3] - 1)[:, None, :, None].expand(shape)
        return torch.where(from_own[:, None, :, None], own[:, :, 0].gather(2, place), held)

    @classmethod
    def join(cls, parts: list["Continuations"]) -> "Continuations":
        """One batch of several with a single continuation per problem and equal lengths."""
        prompts = Prompts.join([part.prompts for part in parts])
        longest = prompts.mask.shape[-1]
        capacity = max(part.keys[0].shape[3] for part in parts)
        layers = range(len(parts[0].keys))
        return cls(
            prompts,
            1,
            [_stacked([part.keys[i] for part in parts], capacity) for i in layers],
            [_stacked([part.values[i] for part in parts], capacity) for i in layers],
            parts[0].length,
            torch.cat([part.reach for part in parts]),
            torch.cat([_widened(part.mask, longest) for part in parts]),
            _joined_skips(parts),
        )

    @property
    def device(self) -> torch.device:
        return self.reach.device

    def room_for(self, tokens: int) -> None:
        """Make sure that `tokens` more fit."""
        capacity = self.keys[0].shape[3]
        if self.length + tokens > capacity:
            extra = max(tokens, capacity)
            self.keys = [F.pad(keys, (0, 0, 0, extra)) for keys in self.keys]
            self.values = [F.pad(values, (0, 0, 0, extra)) for values in self.values]


def _joined_skips(parts: list[Continuations]) -> Tensor | None:
    if all(part.skip is None for part in parts):
        return None
    return torch.cat(
        [torch.zeros_like(part.reach) if part.skip is None else part.skip for part in parts]
    )


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """0 where a token is real, -inf where it is a pad, (B, 1, 1, size) float32."""
    pads = torch.arange(size, device=lengths.device)[None] >= lengths[:, None]
    mask = torch.zeros(pads.shape, device=lengths.device).masked_fill_(pads, -torch.inf)
    return mask[:, None, None]


def _stacked(parts: list[Tensor], tokens: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, tokens - part.shape[-2])) for part in parts])


def _widened(mask: Tensor, tokens: int) -> Tensor:
    return F.pad(mask, (0, tokens - mask.shape[-1]), value=-torch.inf)
