"""A latent chain-of-thought model ready to run, from the plain definition a study gives of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.devices import DTYPES, chosen_device, chosen_rows, set_matmul_mode
from cotsieve.engine.gpu.checked import chains_for
from cotsieve.engine.latent.engine import LatentEngine, LatentStyle, Projection
from cotsieve.engine.latent.narrow import LEAST_LEADS, Doubt, Gate, exact_format
from cotsieve.engine.latent.vocabulary import Vocabulary
from cotsieve.weights.architecture import Architecture, inverse_frequencies
from cotsieve.weights.codi_checkpoint import CodiCheckpoint, load_codi
from cotsieve.weights.tokenizer import decode, encode_questions, entries, load_tokenizer, stop_ids

TYPICAL_PROMPT = 256
"""Tokens; GSM8K's longest question has 210."""


@dataclass(frozen=True)
class LatentModel:
    """An engine with its tokenizer."""

    engine: LatentEngine
    architecture: Architecture
    tokenizer: Any
    collapse_spaces: bool
    """Whether two spaces in a question are read as one."""
    gate: Gate | None = None
    """With precision `exact`: which rows of the engine, a 16-bit one, are run again."""

    def encode(self, questions: list[str]) -> list[list[int]]:
        """Token ids of questions, prepared as the model's prompt style wants them."""
        return encode_questions(self.tokenizer, [self._cleaned(text) for text in questions])

    def text(self, token_ids: tuple[int, ...]) -> str:
        return decode(self.tokenizer, token_ids)

    def too_long(self, question: list[int]) -> str | None:
        """Why a question does not fit the model, or None."""
        style, engine = self.engine.style, self.engine
        needed = len(style.prompt(question)) + style.thoughts + len(style.after_thoughts)
        needed += engine.greedy.max_new_tokens
        limit = self.architecture.max_positions
        if needed <= limit:
            return None
        return (
            f"too long: {len(question)} question tokens, {needed} with thoughts and answer, "
            f"the model has {limit} positions"
        )

    def _cleaned(self, question: str) -> str:
        question = question.strip()
        if self.collapse_spaces:
            return question.replace("  ", " ")  # once, as the published evaluation does
        return question


def load_latent_model(
    definition: Mapping[str, Any],
    files: Mapping[str, str],
    decoding: Mapping[str, Any],
    *,
    device: str,
    batch_rows: int | str,
) -> LatentModel:
    """Load the model a study defines (keys of `models.<name>` in its file).

    `files` says where its `checkpoint` and `base` lie on this machine, `device` is a torch device
    or `auto`, `decoding` has the keys of the study's. With `stop_at: number` an answer also ends
    with its first token that begins with a digit, and the token that ends it is part of it. With
    `batch_rows: auto` the free memory decides. Raises BadInput for files that cannot be used.
    """
    base, checkpoint = Path(files["base"]), Path(files["checkpoint"])
    tokenizer = load_tokenizer(base)
    lora = definition["lora"]
    loaded = load_codi(checkpoint, base, lora["rank"], lora["alpha"], tokenizer=tokenizer)
    precision = definition["precision"]
    set_matmul_mode(precision)
    exact = precision == "exact"
    first = exact_format(loaded.architecture.family, loaded.weights) if exact else precision
    rotary = loaded.architecture.family != "gpt2"
    parts = _Parts(
        loaded=loaded,
        rotary=inverse_frequencies(base) if rotary else (torch.empty(0), 1.0),
        style=LatentStyle(
            definition["prompt_style"],
            definition["thoughts"],
            loaded.bot_id,
            loaded.eot_id,
            None if definition["remove_eos"] else tokenizer.eos_token_id,
        ),
        tokenizer=tokenizer,
        ends=frozenset(stop_ids(base, tokenizer)),
        decoding=decoding,
        device=chosen_device(device),
        batch_rows=batch_rows,
        any_size=precision in ("float32", "exact"),
    )
    wide = cache(lambda: parts.engine("float32"))
    gate = Gate(Doubt(LEAST_LEADS[first]), wide) if exact else None
    collapse = definition.get("collapse_spaces")
    if collapse is None:
        collapse = parts.style.prompt_style == "codi-eval"  # as the published evaluation does
    return LatentModel(parts.engine(first), loaded.architecture, tokenizer, collapse, gate)


@dataclass(frozen=True)
class _Parts:
    """What an engine is built from, in whatever number format."""

    loaded: CodiCheckpoint
    rotary: tuple[torch.Tensor, float]
    style: LatentStyle
    tokenizer: Any
    ends: frozenset[int]
    decoding: Mapping[str, Any]
    device: torch.device
    batch_rows: int | str
    any_size: bool
    """Rows are the same in batches of any size."""

    def engine(self, precision: str) -> LatentEngine:
        shape, most = self.loaded.architecture, self.decoding["max_new_tokens"]
        decoder = Decoder(
            shape,
            self.loaded.weights,
            *self.rotary,
            device=self.device,
            dtype=DTYPES[precision],
        )
        if chains := chains_for(self.device, shape, decoder.dtype):
            decoder.fuse(chains)
        vocabulary = Vocabulary(decoder, self.tokenizer)
        at_number = self.decoding["stop_at"] == "number"
        # Published evaluations compare all logits but the last: end-of-thought is never written.
        # Where the vocabulary is padded, no row beyond the tokenizer is.
        size = entries(self.tokenizer)
        greedy = Decoding(
            most,
            self.ends | (vocabulary.number_ids if at_number else frozenset()),
            size if size < shape.base_vocabulary else shape.vocabulary - 1,
            keep_last=at_number,
        )
        tokens = min(shape.max_positions, TYPICAL_PROMPT + most)
        return LatentEngine(
            decoder,
            Projection(self.loaded.projection, self.device),
            self.style,
            greedy,
            batch_rows=chosen_rows(self.batch_rows, decoder, tokens, any_size=self.any_size),
            vocabulary=vocabulary,
        )
