"""A latent chain-of-thought model ready to run, from the plain definition a study gives of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cotsieve.models.architecture import Architecture, inverse_frequencies
from cotsieve.models.codi_checkpoint import load_codi
from cotsieve.models.tokenizer import decode, encode_questions, load_tokenizer, stop_ids
from cotsieve.models.transformer import Decoder
from cotsieve.rollouts.decoding import Decoding
from cotsieve.rollouts.devices import DTYPES, chosen_device
from cotsieve.rollouts.latent import LatentEngine, LatentStyle, Projection
from cotsieve.rollouts.vocabulary import Vocabulary


@dataclass(frozen=True)
class LatentModel:
    """An engine with its tokenizer."""

    engine: LatentEngine
    architecture: Architecture
    tokenizer: Any
    collapse_spaces: bool
    """Whether two spaces in a question are read as one."""

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
    batch_rows: int,
) -> LatentModel:
    """Load the model a study defines (keys of `models.<name>` in its file).

    `files` says where its `checkpoint` and `base` lie on this machine, `device` is a torch device
    or `auto`, `decoding` has the keys of the study's. With `stop_at: number` an answer also ends
    with its first token that begins with a digit, and the token that ends it is part of it. Raises
    BadInput for files that cannot be used.
    """
    base, checkpoint = Path(files["base"]), Path(files["checkpoint"])
    tokenizer = load_tokenizer(base)
    lora = definition["lora"]
    loaded = load_codi(checkpoint, base, lora["rank"], lora["alpha"], tokenizer=tokenizer)
    precision = definition["precision"]
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    where = chosen_device(device)
    rotary = loaded.architecture.family != "gpt2"
    frequencies, scaling = inverse_frequencies(base) if rotary else (torch.empty(0), 1.0)
    decoder = Decoder(
        loaded.architecture,
        loaded.weights,
        frequencies,
        scaling,
        device=where,
        dtype=DTYPES[precision],
    )
    style = LatentStyle(
        definition["prompt_style"],
        definition["thoughts"],
        loaded.bot_id,
        loaded.eot_id,
        None if definition["remove_eos"] else tokenizer.eos_token_id,
    )
    # Published evaluations compare all logits but the last: end-of-thought is never written.
    compared = loaded.architecture.vocabulary - 1
    vocabulary = Vocabulary(decoder, tokenizer)
    ends = frozenset(stop_ids(base, tokenizer))
    max_new_tokens = decoding["max_new_tokens"]
    if decoding["stop_at"] == "number":
        greedy = Decoding(max_new_tokens, ends | vocabulary.number_ids, compared, keep_last=True)
    else:
        greedy = Decoding(max_new_tokens, ends, compared)
    engine = LatentEngine(
        decoder,
        Projection(loaded.projection, where),
        style,
        greedy,
        batch_rows=batch_rows,
        vocabulary=vocabulary,
    )
    collapse = definition.get("collapse_spaces")
    if collapse is None:
        collapse = style.prompt_style == "codi-eval"  # as the published evaluation does
    return LatentModel(engine, loaded.architecture, tokenizer, collapse)
