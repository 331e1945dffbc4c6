"""Products of rows with weights that do not depend on how many rows there are, in 16 bits.

A library may sum in another order for one row than for a thousand, and in 16 bits that shows. So
the products of a model are proven on its own weights when it is loaded; those that fail are
computed in pieces of a fixed number of rows.
"""

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.ground.faults import bad

log = logging.getLogger(__name__)

PIECE = 64
"""Rows of a piece."""
COUNTS = (1, 2, 3, 4, 8, 16, 32, 64, 100, 128, 256, 500, 512)
MOST = 1024
"""Products of so many rows must be those of the rows among `MOST`."""


def rounded_up(count: int, step: int, device: torch.device) -> int:
    """A multiple of `step` on a GPU, whose units want it; elsewhere the number itself."""
    return count if device.type == "cpu" else -(-count // step) * step


def product(inputs: Tensor, weight: Tensor, bias: Tensor | None, piece: int | None) -> Tensor:
    """Inputs (…, in) through a linear map (out, in), in pieces where one is given."""
    if piece is None:
        return F.linear(inputs, weight, bias)
    flat = inputs.flatten(0, -2)
    padded = F.pad(flat, (0, 0, 0, -len(flat) % piece))
    out = torch.cat([F.linear(part, weight, bias) for part in padded.split(piece)])
    return out[: len(flat)].unflatten(0, inputs.shape[:-1])


@torch.inference_mode()
def proven_piece(name: str, weight: Tensor, bias: Tensor | None) -> int | None:
    """None where the library's product does not depend on the rows beside a row, else the size of
    pieces with which it does not. Raises BadInput where it always does."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(MOST, weight.shape[1], generator=draw).to(weight.device, weight.dtype)
    order = torch.randperm(MOST, generator=draw).to(weight.device)
    for piece in (None, PIECE):

        def made(some: Tensor, piece: int | None = piece) -> Tensor:
            return product(some, weight, bias, piece)

        if _independent(made, rows, order):
            if piece:
                log.info("%s is computed %d rows at a time, to be independent of them", name, piece)
            return piece
    raise bad(
        "precision",
        f"on this device {name} depends on the rows of its batch in {weight.dtype}",
        "Use float32.",
    )


def _independent(made: Callable[[Tensor], Tensor], rows: Tensor, order: Tensor) -> bool:
    whole = made(rows)
    if not torch.equal(made(rows[order]), whole[order]):
        return False
    return all(torch.equal(made(rows[:count].contiguous()), whole[:count]) for count in COUNTS)
