"""What the heads of a model that the library runs attend to, summed while it reads a text."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from cotsieve.engine.inside.attention_sums import repeated
from cotsieve.engine.inside.cells import Cells, Hits, Taker
from cotsieve.engine.inside.weights import blocks, weigh
from cotsieve.engine.library.model import LibraryDecoder
from cotsieve.ground.faults import bad

NAME = "cotsieve_sums"


@dataclass
class _Reading:
    """The text that is read now; the library calls a function that is told nothing of it."""

    taker: Taker | None = None
    found: dict[int, Tensor] = field(default_factory=dict)


_reading = _Reading()


def library_attention_sums(
    decoder: LibraryDecoder, tokens: Sequence[int], edges: Sequence[int]
) -> list[Tensor]:
    """As `attention_sums` of the lean decoder; all layers are read before the first is told."""
    heads = decoder.model.config.get_text_config(decoder=True).num_attention_heads
    return library_attention_taken(decoder, tokens, Cells(edges, heads, decoder.device))


def library_induction_scores(decoder: LibraryDecoder, prompts: Sequence[Sequence[int]]) -> Tensor:
    """As `induction_scores` of the lean decoder."""
    found = []
    for tokens in prompts:
        hits = Hits(repeated(torch.tensor(tokens, device=decoder.device)))
        found.append(torch.stack(library_attention_taken(decoder, tokens, hits)))
    return torch.stack(found)


@torch.inference_mode()
def library_attention_taken(
    decoder: LibraryDecoder, tokens: Sequence[int], taker: Taker
) -> list[Tensor]:
    """What is taken of the attention of every layer. Raises BadInput where some layers are not of
    the usual kind."""
    ids = torch.tensor([tokens], device=decoder.device)
    taken = inspect.signature(decoder.model.forward).parameters
    last = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}
    with _attending(decoder, taker) as found:
        decoder.model(input_ids=ids, use_cache=False, **last)
    layers = range(decoder.architecture.layers)
    if sorted(found) != [*layers]:
        what = f"{len(found)} of its {len(layers)} layers attend as others do"
        raise bad(decoder.architecture.family, what, "Leave this model out of inside.models.")
    return [found[layer] for layer in layers]


@contextmanager
def _attending(decoder: LibraryDecoder, taker: Taker) -> Iterator[dict[int, Tensor]]:
    """Let the model attend by the function below, and give what it finds, by layer."""
    before = decoder.model.config._attn_implementation
    _reading.taker, _reading.found = taker, {}
    try:
        decoder.model.set_attn_implementation(NAME)
        yield _reading.found
    finally:
        decoder.model.set_attn_implementation(before)
        _reading.taker = None


def _attend(
    module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **told
) -> tuple[Tensor, None]:
    """Attention of the library's interface, (1, heads, T, D), that sums what it computes."""
    query, key, value = (given.transpose(1, 2) for given in (query, key, value))
    parts = []
    for part in blocks(query.shape[1], key.shape[1], query.shape[2], query.device):
        weights = weigh(
            query[:, part],
            key,
            part.start,
            hidden=~attention_mask[:, :, part],
            scaling=told.get("scaling"),
            cap=told.get("softcap"),
            sink=told.get("s_aux"),
        )
        _reading.taker.add(weights, part.start)
        parts.append(weights.read(value[:, : part.stop]).to(query.dtype))
    _reading.found[module.layer_idx] = _reading.taker.taken()
    return torch.cat(parts, 1).unflatten(2, (query.shape[2], -1)), None


def _mask(*given, **told) -> Tensor:
    """Which keys each query sees, as bool; never left to the attention."""
    return sdpa_mask(*given, **told | {"allow_is_causal_skip": False})


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, _mask)
