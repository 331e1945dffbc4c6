"""Whether a checkpoint's tensors, by name and shape, are those its architecture needs."""

import re
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput, Finding
from cotsieve.ground.model_folder import is_peft
from cotsieve.weights.architecture import Architecture
from cotsieve.weights.codi_names import PREFIXES, without_auxiliary
from cotsieve.weights.headers import Header, read_headers
from cotsieve.weights.language_layers import Layer, ends, language_layers, whole_name
from cotsieve.weights.layout import INDEX, weight_files
from cotsieve.weights.peft_folder import MEND as PEFT_MEND
from cotsieve.weights.peft_folder import check_settings, peft_folder, whole_state

LISTED = 20
BUFFERS = re.compile(r".*(rotary_emb\.(original_)?inv_freq|\.attn\.(bias|masked_bias))")
"""Constants that old library versions saved with the weights."""
_TOGETHER = "The config must belong to the weights"
CODI_MEND = f"{_TOGETHER}: name the base model the checkpoint was made from."
MEND = f"{_TOGETHER}: fetch both again, from one revision."


def checked_headers(files: list[Path], architecture: Architecture | None) -> dict[str, Header]:
    """The headers of all files of a language model, which must fit `architecture`.

    None for an architecture that only the transformers library knows: then files must be whole.
    Raises BadInput with every missing, misshapen or unknown tensor. Empty where the files are too
    old to be looked into.
    """
    found = _all_headers(files)
    if found and architecture:
        refuse([*_faults(files[0], found, architecture, ("",), MEND)], files[0], MEND)
    return found


def checked_codi(
    checkpoint: Path, base: Path, architecture: Architecture, alpha: float
) -> dict[str, Header]:
    """As `checked_headers` those of a CODI checkpoint, under the names of one saved whole."""
    if is_peft(checkpoint):
        files = peft_folder(checkpoint, base)
        found = whole_state(files, architecture, lambda place: _all_headers(weight_files(place)))
        head, mend = files.adapters, PEFT_MEND
    else:
        found = _all_headers(weight_files(checkpoint))
        head, mend = weight_files(checkpoint)[0], CODI_MEND
    if found:
        used = without_auxiliary(found)
        refuse([*_faults(head, used, architecture, PREFIXES, mend)], head, mend)
    if is_peft(checkpoint):
        ranks = ranks_of(found)
        check_settings(checkpoint, ranks.pop() if len(ranks) == 1 else None, alpha)
    return found


def ranks_of(headers: dict[str, Header]) -> set[int]:
    """The ranks of the adapters, as their shapes say."""
    return {header.shape[0] for name, header in headers.items() if ".lora_A." in name}


def _all_headers(files: list[Path]) -> dict[str, Header]:
    found: dict[str, Header] = {}
    findings: list[Finding] = []
    for file in files:
        if file.name.endswith(INDEX):
            continue
        try:
            found |= read_headers(file)
        except BadInput as error:
            findings += error.findings
    refuse(findings, files[0], MEND)
    return found


def refuse(findings: list[Finding], file: Path, mend: str) -> None:
    """Raise BadInput with the findings, if there are any; those beyond LISTED are counted."""
    if len(findings) > LISTED:
        more = Finding(str(file), f"{len(findings) - LISTED} more faults like these", mend)
        findings = [*findings[:LISTED], more]
    if findings:
        raise BadInput(findings)


def _faults(
    file: Path,
    found: dict[str, Header],
    architecture: Architecture,
    prefixes: tuple[str, ...],
    mend: str,
) -> Iterator[Finding]:
    latent = prefixes == PREFIXES
    prefix = next((p for p in prefixes if any(name.startswith(p) for name in found)), None)
    if prefix is None:
        what = f"no tensor's name starts with {prefixes[0]!r} (it holds {', '.join(found)[:80]})"
        yield Finding(str(file), what, mend)
        return
    full = {_short(name, prefix): name for name in found}
    if not latent:
        full = {whole_name(name, found, architecture.family): name for name in found}
    rest = {short: found[name] for short, name in full.items()}
    for name, shape in _expected(rest, architecture, latent):
        header = rest.pop(name, None)
        where = f"{file}: {name if name.startswith('prj.') else prefix + name}"
        wanted = f"({', '.join('any' if size is None else str(size) for size in shape)})"
        if header is None:
            yield Finding(where, f"is missing; expected shape {wanted}", mend)
        elif len(shape) != len(header.shape) or any(
            size not in (None, there) for size, there in zip(shape, header.shape, strict=True)
        ):
            what = f"has shape {header.shape}; expected {wanted}"
            yield Finding(where, what, mend)
    for name, header in sorted(rest.items()):
        if not BUFFERS.fullmatch(name):
            what = f"is not part of this architecture; its shape is {header.shape}"
            yield Finding(f"{file}: {full[name]}", what, mend)


def _short(name: str, prefix: str) -> str:
    return name if name.startswith("prj.") else name.removeprefix(prefix)


Expected = tuple[str, tuple[int | None, ...]]


def _expected(
    found: dict[str, Header], architecture: Architecture, latent: bool
) -> Iterator[Expected]:
    found = dict(found)
    for layer in language_layers(architecture):
        yield from _of_layer(layer, found)
    hidden = architecture.hidden
    wanted = list(ends(architecture))
    if architecture.tied:
        wanted = [name for name in wanted if name in found] or wanted[:1]
    rows = architecture.vocabulary if latent else architecture.base_vocabulary
    yield from ((name, (rows, hidden)) for name in wanted)
    if latent:
        yield from (("prj.1.weight", (None, hidden)), ("prj.1.bias", (None,)))
        yield from (("prj.3.weight", (hidden, None)), ("prj.3.bias", (hidden,)))
        if {"prj.ln.weight", "prj.ln.bias"} & found.keys():
            yield from (("prj.ln.weight", (hidden,)), ("prj.ln.bias", (hidden,)))


def _of_layer(layer: Layer, found: dict[str, Header]) -> Iterator[Expected]:
    halves = [f"{layer.key}.lora_{half}.default.weight" for half in "AB"]
    adapted = layer.linear and any(half in found for half in halves)
    wrapped = layer.linear and f"{layer.key}.base_layer.weight" in found
    bare = f"{layer.key}.weight" in found and not wrapped
    stem = f"{layer.key}.base_layer" if wrapped or (adapted and not bare) else layer.key
    yield f"{stem}.weight", layer.shape
    if layer.bias:
        yield f"{stem}.bias", (layer.out,)
    if adapted or wrapped:
        into = layer.shape[0] if layer.transposed else layer.shape[1]
        yield halves[0], (None, into)
        yield halves[1], (layer.out, None)
