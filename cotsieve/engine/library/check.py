"""Whether the tensors of a model that the library runs are those its configuration asks for.

Only names and shapes are looked at: the model is built on the meta device, which holds no numbers,
and the library's own loading is gone through with tensors as empty. So its rules on tied weights,
buffers, prefixes and renamed or merged tensors are kept, and what it can load is never refused.
Only the preflight asks this: no result depends on it.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import convert_and_load_state_dict_in_model
from transformers.modeling_utils import LoadStateDictConfig
from transformers.utils import logging as library_logging
from transformers.utils.loading_report import LoadStateDictInfo

from cotsieve.engine.library.model import CACHES, FETCH
from cotsieve.ground.faults import Finding, bad
from cotsieve.weights.check import refuse
from cotsieve.weights.headers import Header
from cotsieve.weights.outline import MEND, library_config

META = torch.device("meta")
NAMED = 3
"""So many unused tensors are named; the rest are counted."""


def check_library_weights(folder: Path, file: Path, headers: Mapping[str, Header]) -> str | None:
    """Compare the tensors in `headers` with what `config.json` in `folder` asks for.

    A remark on what is not used or could not be compared. Raises BadInput, naming `file`, with
    every missing or misshapen tensor, and for configurations of which no writing model can be made.
    """
    with _quietly():
        model = _hollow_model(folder, library_config(folder))
        _refuse_unfit(folder / "config.json", model)
        try:
            told = _gone_through(model, headers)
        except Exception as error:  # another version of the library may load in another way
            return f"its tensors were not compared with its configuration ({_first_line(error)})"
    refuse(list(_faults(file, told)), file, FETCH)
    return _remark(told)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library from telling in its own words what is told here."""
    level = library_logging.get_verbosity()
    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()
    try:
        yield
    finally:
        library_logging.set_verbosity(level)


def _hollow_model(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    try:
        with META:
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # every class of the library fails in its own way
        what = f"transformers cannot build a model from it ({_first_line(error)})"
        raise bad(folder / "config.json", what, f"{MEND} {FETCH}") from None


def _refuse_unfit(path: Path, model: PreTrainedModel) -> None:
    """Models of the BERT kind have parts that see what follows, unless they are told otherwise."""
    kind = type(model).__name__
    decides = {getattr(part, "is_decoder", None) for part in model.modules()}
    causal = any(getattr(part, "is_causal", None) for part in model.modules())
    if False in decides and True not in decides and not causal:
        mend = 'Use a model that writes; "is_decoder": true is for one that was trained for it.'
        raise bad(path, f"{kind} reads texts in both directions and cannot write one", mend)
    if not set(CACHES) & set(inspect.signature(model.forward).parameters):
        raise bad(path, f"{kind} cannot go on from what it has read", MEND)


def _gone_through(model: PreTrainedModel, headers: Mapping[str, Header]) -> LoadStateDictInfo:
    """What the library finds missing, misshapen and unused as it loads tensors of these shapes."""
    hollow = {name: torch.empty(header.shape, device=META) for name, header in headers.items()}
    how = LoadStateDictConfig(
        ignore_mismatched_sizes=True,
        device_map={"": META},
        dtype=model.dtype,
        weight_mapping=get_model_conversion_mapping(model),
    )
    told, _ = convert_and_load_state_dict_in_model(model, hollow, how)
    model.tie_weights(missing_keys=told.missing_keys, recompute_mapping=False)
    model._adjust_missing_and_unexpected_keys(told)
    return told


def _faults(file: Path, told: LoadStateDictInfo) -> Iterator[Finding]:
    wrong = {
        name: f"has shape {tuple(found)}; expected {tuple(wanted)}"
        for name, found, wanted in told.mismatched_keys
    }
    if not told.conversion_errors:  # what cannot be merged without numbers is no missing tensor
        wrong |= dict.fromkeys(told.missing_keys, "is missing")
    yield from (Finding(f"{file}: {name}", wrong[name], FETCH) for name in sorted(wrong))


def _remark(told: LoadStateDictInfo) -> str | None:
    if told.conversion_errors:
        names = ", ".join(sorted(told.conversion_errors)[:NAMED])
        return f"whether tensors are missing shows when they are loaded ({names})"
    unused = sorted(told.unexpected_keys)
    if not unused:
        return None
    more = f" and {len(unused) - NAMED:,} more" if len(unused) > NAMED else ""
    what = "its files hold tensors that its config.json has no use for"
    return f"{what}: {', '.join(unused[:NAMED])}{more}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
