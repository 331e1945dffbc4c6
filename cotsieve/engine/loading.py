"""A model that writes its reasoning, in the engine that runs it: the lean one, or the library's."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Decoding
from cotsieve.engine.devices import DTYPES, chosen_device, chosen_rows, set_matmul_mode
from cotsieve.engine.gpu.checked import chains_for
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.engine.written.model import (
    ReasoningModel,
    ReasoningStyle,
    chat_around,
    decoding_of,
)
from cotsieve.weights.architecture import inverse_frequencies
from cotsieve.weights.causal_checkpoint import load_causal
from cotsieve.weights.outline import TYPICAL_PROMPT, is_lean, read_outline
from cotsieve.weights.tokenizer import load_tokenizer

log = logging.getLogger(__name__)


def load_reasoning_model(
    definition: Mapping[str, Any],
    files: Mapping[str, str],
    decoding: Mapping[str, Any],
    *,
    device: str,
    batch_rows: int | str,
) -> ReasoningModel:
    """Load the model a study defines (keys of `models.<name>` in its file).

    `files` says where it lies on this machine. Raises BadInput for files that cannot be used.
    """
    folder = Path(files["model"])
    tokenizer, style = load_tokenizer(folder), ReasoningStyle(**definition["style"])
    if style.prompt == "chat":
        chat_around(tokenizer, style)  # what is wrong with it is told before weights are read
    precision, written = definition["precision"], decoding["max_new_tokens"]
    set_matmul_mode(precision)
    where, dtype = chosen_device(device), DTYPES[precision]
    lean = is_lean(read_outline(folder, written))
    if lean:
        decoder = lean_decoder(folder, where, dtype)
    else:
        decoder = _library_decoder(folder, written, where, dtype)
    shape = decoder.architecture
    if lean and dtype != torch.float32:
        decoder.prove_products(shape.vocabulary)
        if chains := chains_for(where, shape, dtype):
            decoder.fuse(chains)
    how = decoding_of(decoding, folder, tokenizer, shape.vocabulary)
    most = min(shape.max_positions, TYPICAL_PROMPT + written)
    any_size = precision == "float32" or (lean and precision != "tf32")
    rows = chosen_rows(batch_rows, decoder, most, any_size=any_size)
    engine = (WritingEngine if lean else _library_engine)(decoder, how, batch_rows=rows)
    return ReasoningModel(engine, shape, tokenizer, style)


def lean_decoder(folder: Path, device: torch.device, dtype: torch.dtype) -> Decoder:
    """The model in `folder` in the lean decoder."""
    loaded = load_causal(folder)
    rotary = loaded.architecture.family != "gpt2"
    frequencies, scaling = inverse_frequencies(folder) if rotary else (torch.empty(0), 1.0)
    return Decoder(
        loaded.architecture, loaded.weights, frequencies, scaling, device=device, dtype=dtype
    )


def _library_decoder(folder: Path, written: int, device: torch.device, dtype: torch.dtype):
    from cotsieve.engine.library.model import load_library_model

    log.info("run by the model of the transformers library, not by the lean decoder")
    return load_library_model(folder, written, device=device, dtype=dtype)


def _library_engine(decoder: Any, how: Decoding, *, batch_rows: int) -> WritingEngine:
    from cotsieve.engine.library.engine import LibraryEngine, refuse_unsound

    engine = LibraryEngine(decoder, how, batch_rows=batch_rows)
    refuse_unsound(engine)
    return engine
