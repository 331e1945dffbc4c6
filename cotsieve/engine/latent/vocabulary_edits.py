"""Interventions that read a hidden state as a token of the vocabulary.

With h the hidden state, e the embedding of its top token, u = e / |e|, t the unit embedding of a
given token, and the kinds of GusSand/CoT_Exploration in brackets:

- remove: h - (h·u) u  [minus]
- discretize: e |h| / |e|
- discretize_norm: the same with e standardised to mean 0 and variance 1 first  [discretize_ln]
- project on the top 1: (h·u) u; on the top k: the least-squares projection of h on the k
  embeddings with the largest inner product; rescaled to |h| or not  [proj1, proj5, proj5_unnorm]
- replace: h - (h·u) u + strength (h·t) t  [replacement]
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.block import at_least_float32
from cotsieve.engine.latent.vocabulary import Vocabulary
from cotsieve.interventions.thoughts import Intervention

HiddenChange = Callable[[Tensor], Tensor]
"""Hidden states (B, H) → new ones."""
Note = Callable[[Tensor], None]
"""Told by how much the chosen tokens led, (B,)."""


def vocabulary_change(what: Intervention, vocabulary: Vocabulary, note: Note) -> HiddenChange:
    """The change an operation of this module makes. Raises BadInput for a token there is not."""
    target = vocabulary.embedding_of(what.token or "") if what.operation == "replace" else None

    def change(hidden: Tensor) -> Tensor:
        h = at_least_float32(hidden)
        if what.operation == "project" and what.top > 1:
            nearest, lead = vocabulary.nearest(hidden, what.top)
            projected = _projection(h, nearest)
        else:
            ids, lead = vocabulary.top(hidden)
            projected = _read_as(what, h, vocabulary.embed(ids), target)
        note(lead)
        if what.operation == "project" and what.rescale:
            projected = _as_long_as(h, projected)
        return projected.to(hidden.dtype)

    return change


def are_numbers(hidden: Tensor, vocabulary: Vocabulary, note: Note) -> Tensor:
    """Whether the top token of each hidden state is a number, (B, H) → bool (B, 1)."""
    ids, lead = vocabulary.top(hidden)
    note(lead)
    return vocabulary.numbers[ids][:, None]


def _read_as(what: Intervention, h: Tensor, embedding: Tensor, target: Tensor | None) -> Tensor:
    match what.operation:
        case "remove":
            return h - _along(h, embedding)
        case "discretize":
            return _as_long_as(h, embedding)
        case "discretize_norm":
            return _as_long_as(h, F.layer_norm(embedding, embedding.shape[-1:], eps=1e-5))
        case "project":
            return _along(h, embedding)
        case "replace":
            return h - _along(h, embedding) + what.strength * _along(h, target.expand_as(h))
    raise ValueError(f"{what.operation} does not read a hidden state as a token")


def _along(h: Tensor, direction: Tensor) -> Tensor:
    """The part of h along a direction."""
    unit = F.normalize(direction, dim=-1)
    return (h * unit).sum(-1, keepdim=True) * unit


def _as_long_as(h: Tensor, vector: Tensor) -> Tensor:
    return F.normalize(vector, dim=-1) * h.norm(dim=-1, keepdim=True)


def _projection(h: Tensor, basis: Tensor) -> Tensor:
    """Least-squares projection of h (B, H) on the span of a basis (B, k, H)."""
    rows, column = basis.double(), h.double()[..., None]
    inverse = torch.linalg.pinv(rows @ rows.mT, hermitian=True)  # embeddings may be equal
    return (rows.mT @ (inverse @ (rows @ column)))[..., 0].to(h.dtype)
