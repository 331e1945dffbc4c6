"""vLLM as the engine that writes baseline traces (Kwon et al., arXiv 2309.06180).

It writes on from plain starts only: it offers no place to edit the residual stream or to hide
tokens, and does not tell how close the best two tokens were. What it writes under a seed depends on
its version, its setup and what else is in the batch; so rows made by it carry its version.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

from cotsieve.engine.decoding import Completion, Decoding, Finished
from cotsieve.engine.written.model import ReasoningModel, ReasoningStyle, decoding_of
from cotsieve.engine.written.starts import Family, Start
from cotsieve.ground.faults import bad
from cotsieve.weights.outline import read_outline
from cotsieve.weights.tokenizer import load_tokenizer

log = logging.getLogger(__name__)

FORMATS = {"float32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Precision of a study → vLLM's name for it."""

ROWS = 256
"""Rows that run together where a study leaves that to the machine."""


class VllmEngine:
    """Writes on from starts with vLLM, behind the interface of WritingEngine."""

    def __init__(self, core: Any, how: Decoding, *, batch_rows: int):
        self.core = core
        """A vllm.LLMEngine."""
        self.how = how
        self.batch_rows = batch_rows
        self._begun = 0

    def run(self, waiting: Sequence[Family]) -> Iterator[list[Finished]]:
        """Yield rows as they end, each exactly once; the longest starts are taken first.

        Raises ValueError for a start that wants more than text to be read.
        """
        starts = [member for family in waiting for member in family.members]
        starts.sort(key=lambda start: (-len(start.tokens), start.key))
        if any(start.edit or start.unseen for start in starts):
            raise ValueError("vLLM can neither edit the residual stream nor hide tokens")
        under_way = {self._begin(start): start for start in starts}
        try:
            while under_way:
                ended = [told for told in self.core.step() if told.finished]
                yield [
                    (under_way.pop(told.request_id).key, self._completion(told.outputs[0]))
                    for told in ended
                ]
        finally:
            if under_way:  # whoever asked has stopped listening
                self.core.abort_request(list(under_way))

    def _begin(self, start: Start) -> str:
        """Hand a start to vLLM; the name of the request."""
        name, self._begun = f"row-{self._begun}", self._begun + 1
        prompt = {"prompt_token_ids": list(start.tokens)}
        self.core.add_request(name, prompt, self._parameters(start))
        return name

    def _parameters(self, start: Start) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        nucleus = self.how.nucleus
        sampled = (
            {"temperature": nucleus.temperature, "top_p": nucleus.top_p, "seed": start.seed}
            if nucleus
            else {"temperature": 0.0}
        )
        return SamplingParams(
            **sampled,
            max_tokens=self.how.max_new_tokens,
            stop_token_ids=sorted(self.how.stop_ids),
            ignore_eos=True,  # the ids above are all of them
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, told: Any) -> Completion:
        written, reason = tuple(told.token_ids), told.finish_reason
        if reason not in ("stop", "length"):
            return Completion((), "failed", nan, f"vLLM ended the row with {reason!r}")
        if any(token >= self.how.vocabulary for token in written):
            return Completion((), "failed", nan, "vLLM wrote a token beyond the tokenizer")
        ends = reason == "stop" and written and written[-1] in self.how.stop_ids
        if ends and not self.how.keep_last:
            written = written[:-1]
        return Completion(written, reason, nan)


def load_vllm_model(
    definition: Mapping[str, Any],
    files: Mapping[str, str],
    decoding: Mapping[str, Any],
    *,
    device: str,
    batch_rows: int | str,
) -> ReasoningModel:
    """The model a study defines, its engine being vLLM; arguments as of `load_reasoning_model`.

    Raises BadInput where vLLM is not installed or the files cannot be used.
    """
    folder = Path(files["model"])
    tokenizer = load_tokenizer(folder)
    read = read_outline(folder, decoding["max_new_tokens"])
    architecture = replace(read, vocabulary=read.base_vocabulary)
    rows = ROWS if batch_rows == "auto" else int(batch_rows)
    started = time.perf_counter()
    core = _core(folder, FORMATS[definition["precision"]], architecture.max_positions, rows)
    log.info("model loaded in vLLM in %.1f s", time.perf_counter() - started)
    how = decoding_of(decoding, folder, tokenizer, architecture.vocabulary)
    engine = VllmEngine(core, how, batch_rows=rows)
    return ReasoningModel(engine, architecture, tokenizer, ReasoningStyle(**definition["style"]))


def _core(folder: Path, dtype: str, positions: int, rows: int) -> Any:
    try:
        from vllm import EngineArgs, LLMEngine
    except ImportError as error:
        what = f"vLLM cannot be imported ({error})"
        raise bad("writer: vllm", what, "pip install vllm, or remove the key.") from None
    arguments = EngineArgs(
        model=str(folder),
        dtype=dtype,
        max_model_len=positions,
        max_num_seqs=rows,
        enable_prefix_caching=True,
        skip_tokenizer_init=True,
        generation_config="vllm",  # nothing but what the study says
        seed=0,
    )
    return LLMEngine.from_engine_args(arguments)
