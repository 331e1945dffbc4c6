"""A text that is read once, and other courses it could take from some token on.

Where something is hidden or put in place of something else, nothing before it changes: the keys and
values before it are those of the text as it was read, and only what follows is computed, for
several changes in one batch.

Shapes: T tokens, R courses, n tokens that are computed anew, H hidden, N key heads, D head size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside.attention_sums import projected
from cotsieve.engine.inside.weights import blocks, weigh

HiddenKeys = Callable[[int], Tensor | None]
"""Layer → keys that no query sees, bool to broadcast to (R, heads, n, T)."""
HeadEdit = Callable[[int, Tensor], Tensor]
"""Layer and what its heads found, (R, n, heads * D), before the output projection → the same."""


@dataclass(frozen=True)
class Course:
    """A text as it was read."""

    keys: list[Tensor]
    """Of every layer, (1, T, N, D);"""
    values: list[Tensor]
    entering: list[Tensor]
    """the residual stream that enters each layer, (T, H);"""
    found: list[Tensor]
    """what its heads found, (T, heads * D)."""
    hidden: Tensor
    """Final hidden states, (T, H)."""

    @property
    def length(self) -> int:
        return len(self.hidden)


@torch.inference_mode()
def read_course(decoder: Decoder, tokens: Sequence[int], *, streams: bool = True) -> Course:
    """Read a text and keep what others share with it; `streams`: what patches are taken from."""
    ids = torch.tensor(tokens, device=decoder.device)
    places = torch.arange(len(ids), device=decoder.device)
    residual = decoder.placed(decoder.embed(ids), places)[None]
    course = Course([], [], [], [], residual[0])
    after = _run(decoder, residual, 0, 0, None, course=course, streams=streams)
    return Course(course.keys, course.values, course.entering, course.found, after[0])


@torch.inference_mode()
def go_on(
    decoder: Decoder,
    course: Course,
    residual: Tensor,
    start: int,
    *,
    layer: int = 0,
    hidden: HiddenKeys | None = None,
    edit: HeadEdit | None = None,
    only_last: bool = False,
) -> Tensor:
    """Other courses from token `start` on, as the streams (R, n, H) that enter `layer` begin them.

    Gives final hidden states, (R, n, H), or of the last token alone, (R, 1, H).
    """
    return _run(decoder, residual, start, layer, course, hidden, edit, only_last)


def _run(
    decoder: Decoder,
    residual: Tensor,
    start: int,
    first_layer: int,
    before: Course | None,
    hidden: HiddenKeys | None = None,
    edit: HeadEdit | None = None,
    only_last: bool = False,
    *,
    course: Course | None = None,
    streams: bool = False,
) -> Tensor:
    rows, count, _ = residual.shape
    places = torch.arange(start, start + count, device=decoder.device)
    rotation = decoder.rotation(places, start + count)
    for layer in range(first_layer, len(decoder.blocks)):
        block = decoder.blocks[layer]
        query, key, value = projected(block, residual, rotation)
        if course is not None:
            course.keys.append(key)
            course.values.append(value)
        if before is not None and start:
            key, value = (
                torch.cat((kept[layer][:, :start].expand(rows, -1, -1, -1), own), 1)
                for kept, own in ((before.keys, key), (before.values, value))
            )
        unseen = hidden and hidden(layer)
        last = only_last and layer == len(decoder.blocks) - 1
        done, found = [], []
        for part in _parts(rows, query, start, decoder.device, last):
            weights = weigh(query[:, part], key, start + part.start, hidden=unseen)
            read = weights.read(value[:, : start + part.stop]).to(residual.dtype)
            found.append(read)
        attended = torch.cat(found, 1)
        if course is not None and streams:
            course.entering.append(residual[0])
            course.found.append(attended[0])
        if edit:
            attended = edit(layer, attended)
        kept = residual[:, -attended.shape[1] :]
        done = [
            block.finish(*pair)
            for pair in zip(kept.split(PIECE, 1), attended.split(PIECE, 1), strict=True)
        ]
        residual = torch.cat(done, 1)
    return decoder.final_norm(residual)


PIECE = 1024
"""Tokens that pass through the feed-forward part together."""


def _parts(rows: int, query: Tensor, start: int, device: torch.device, last: bool) -> list[slice]:
    count = query.shape[1]
    if last:
        return [slice(count - 1, count)]
    return [*blocks(count, start + count, rows * query.shape[2], device)]
