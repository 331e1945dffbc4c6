"""Any causal language model as the transformers library runs it, behind the decoder's interface.

The library's own code computes every number; no code from a model's folder is run, and weights are
read from safetensors only.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.utils import logging as library_logging

from cotsieve.engine.decoder import RESID_POST, RESID_PRE, Edit
from cotsieve.engine.library.cached_rows import CachedRows
from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.weights.architecture import Outline
from cotsieve.weights.outline import (
    MEND,
    library_config,
    library_outline,
    positions_of,
    safetensors_files,
)

LISTED = 20
"""At most so many tensors are named; the rest are counted."""
FETCH = "Fetch the model's folder again; its config.json must belong to its weights."
CACHES = ("past_key_values", "cache_params")
"""Names under which a model of the library takes what it remembers of a text."""


class LibraryDecoder:
    """A model of the library on one device, fed token by token like the lean decoder."""

    def __init__(self, model: PreTrainedModel, architecture: Outline):
        self.model = model
        self.architecture = architecture
        self.device, self.dtype = model.device, model.dtype
        taken = inspect.signature(model.forward).parameters
        self._memory = next((name for name in CACHES if name in taken), None)
        if self._memory is None:
            raise bad(architecture.family, _FORGETS, MEND)
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}

    def embed(self, tokens: Tensor) -> Tensor:
        """The tokens themselves: the model embeds them where it reads them."""
        return tokens

    def logits(self, scores: Tensor, keep: int) -> Tensor:
        """Scores of the first `keep` vocabulary entries in float32, (R, V) → (R, keep)."""
        return scores[:, :keep].float()

    def read(self, tokens: Tensor, lengths: Tensor, edit: Edit | None = None) -> Any:
        """What the model remembers of texts padded on the right, (B, P) int64 with lengths (B,).

        A pad comes last, so no token sees one. `edit` gets residual streams (B, P, H).
        """
        state = CachedRows(None, lengths.new_empty(len(tokens), 0).bool(), 0 * lengths)
        with self._edited(edit):
            self.feed(tokens, state)
        return state.cache

    def step(self, tokens: Tensor, rows: CachedRows) -> Tensor:
        """Feed one token to every row, (B, 1) int64 → scores of the next, (B, 1, V)."""
        return self.feed(tokens, rows)[:, None]

    def feed(self, tokens: Tensor, rows: CachedRows) -> Tensor:
        """Feed equally many tokens to every row, (B, T) → scores behind the last, (B, V)."""
        count = tokens.shape[1]
        known = {"input_ids": tokens, "use_cache": True, **self._last}
        if rows.cache is not None:
            known[self._memory] = rows.cache
        seen = nn.functional.pad(rows.seen, (0, count), value=True)
        if self.architecture.batched:
            known.setdefault(self._memory, DynamicCache())
            places = torch.arange(count, device=self.device)
            known["position_ids"] = rows.lengths[:, None] + places
            known["attention_mask"] = seen.long()
        outputs = self.model(**known)
        if outputs.get(self._memory) is None:
            raise bad(self.architecture.family, _FORGETS, MEND)
        rows.cache, rows.seen = outputs[self._memory], seen
        rows.lengths = rows.lengths + count
        return outputs.logits[:, -1]

    @contextmanager
    def _edited(self, edit: Edit | None) -> Iterator[None]:
        """Let `edit` change what enters and leaves every block."""
        handles = []
        for index, block in enumerate(self._blocks() if edit else ()):
            before, after = partial(_before, edit, index), partial(_after, edit, index)
            handles.append(block.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(block.register_forward_hook(after))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _blocks(self) -> nn.ModuleList:
        """The model's blocks, through which the residual stream passes one after the other."""
        decoder = self.model.get_decoder()
        lists = (part for part in decoder.modules() if isinstance(part, nn.ModuleList))
        blocks = next((part for part in lists if len(part) == self.architecture.layers), None)
        if blocks is None:
            raise bad(self.architecture.family, "its blocks are not known", _OTHER_EDITS)
        return blocks


_FORGETS = "it cannot go on from what it has read"
_OTHER_EDITS = "Use conditions on the written reasoning for this model."


def _before(edit: Edit, block: int, _: nn.Module, args: tuple, named: dict) -> tuple[tuple, dict]:
    if args:
        return (edit(block, RESID_PRE, _residual(args[0])), *args[1:]), named
    return args, named | {
        "hidden_states": edit(block, RESID_PRE, _residual(named.get("hidden_states")))
    }


def _after(edit: Edit, block: int, _: nn.Module, args: tuple, output: Any) -> Any:
    if isinstance(output, tuple):
        return edit(block, RESID_POST, _residual(output[0])), *output[1:]
    return edit(block, RESID_POST, _residual(output))


def _residual(stream: Any) -> Tensor:
    if isinstance(stream, Tensor) and stream.dim() == 3:
        return stream
    raise bad("operation", "this model's blocks pass on no single residual stream", _OTHER_EDITS)


def load_library_model(
    folder: Path, written: int, *, device: torch.device, dtype: torch.dtype
) -> LibraryDecoder:
    """Load the model in `folder`, of any architecture; `written`: tokens it may write at most.

    Raises one BadInput that lists every missing, misshapen or non-finite tensor.
    """
    config = library_config(folder)
    architecture = library_outline(config, written)
    files = safetensors_files(folder)
    library_logging.disable_progress_bar()
    try:
        model, told = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # told below, all at once
            output_loading_info=True,
        )
    except MemoryError:
        raise
    except Exception as error:  # every class of the library fails in its own way
        what = (
            f"transformers cannot load it ({(str(error).splitlines() or [repr(error)])[0][:200]})"
        )
        raise bad(folder, what, f"{MEND} {FETCH}") from error
    _refuse_unsound(files[0], model, told)
    _, long = positions_of(config.get_text_config(decoder=True), written)
    _settle_rotations(model, long)
    return LibraryDecoder(model.to(device).eval().requires_grad_(False), architecture)


def _refuse_unsound(file: Path, model: PreTrainedModel, told: dict[str, Any]) -> None:
    wrong = {str(name): "is missing" for name in told["missing_keys"]}
    for name, found, wanted in told["mismatched_keys"]:
        wrong[name] = f"has shape {tuple(found)}; expected {tuple(wanted)}"
    for name, tensor in model.named_parameters():
        if name not in wrong and not tensor.isfinite().all():
            wrong[name] = f"has values that are not finite in {tensor.dtype}"
    findings = [Finding(f"{file}: {name}", wrong[name], FETCH) for name in sorted(wrong)]
    if len(findings) > LISTED:
        more = Finding(str(file), f"{len(findings) - LISTED} more faults like these", FETCH)
        findings = [*findings[:LISTED], more]
    if findings:
        raise BadInput(findings)


def _settle_rotations(model: PreTrainedModel, long: bool) -> None:
    """Hold rotary kind `longrope` at one of its two sets of frequencies; see `positions_of`."""
    for part in model.modules():
        if getattr(part, "rope_type", None) != "longrope":
            continue
        if long:
            length = part.config.rope_parameters["original_max_position_embeddings"] + 1
            frequencies, _ = ROPE_INIT_FUNCTIONS["longrope"](
                part.config, part.inv_freq.device, length
            )
            part.inv_freq.copy_(frequencies)
        part.rope_type = "settled"
