"""Whether a checkpoint's tensors, by name and shape, are those its architecture needs."""

import re
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput, Finding
from cotsieve.weights.architecture import Architecture
from cotsieve.weights.headers import Header, read_headers
from cotsieve.weights.language_layers import Layer, language_layers, whole_name

PREFIXES = ("codi.base_model.model.", "codi.")
LISTED = 20
BUFFERS = re.compile(r".*(rotary_emb\.(original_)?inv_freq|\.attn\.(bias|masked_bias))")
"""Constants that old library versions saved with the weights."""
_TOGETHER = "The config must belong to the weights"
MENDS = {
    True: f"{_TOGETHER}: name the base model the checkpoint was made from.",
    False: f"{_TOGETHER}: fetch both again, from one revision.",
}
"""Whether it is a CODI checkpoint, whose config lies in another folder → what to do."""


def checked_headers(
    files: list[Path], architecture: Architecture | None, latent: bool
) -> dict[str, Header]:
    """The headers of all files, which must fit `architecture`; `latent` for CODI checkpoints.

    None for an architecture that only the transformers library knows: then files must be whole.
    Raises BadInput with every missing, misshapen or unknown tensor. Empty where the files are too
    old to be looked into.
    """
    weights = [file for file in files if not file.name.endswith(".json")]
    found: dict[str, Header] = {}
    findings: list[Finding] = []
    for file in weights:
        try:
            found |= read_headers(file)
        except BadInput as error:
            findings += error.findings
    if found and architecture and not findings:
        findings += _faults(files[0], found, architecture, latent)
    refuse(findings, files[0], MENDS[latent])
    return found


def refuse(findings: list[Finding], file: Path, mend: str) -> None:
    """Raise BadInput with the findings, if there are any; those beyond LISTED are counted."""
    if len(findings) > LISTED:
        more = Finding(str(file), f"{len(findings) - LISTED} more faults like these", mend)
        findings = [*findings[:LISTED], more]
    if findings:
        raise BadInput(findings)


def _faults(
    file: Path, found: dict[str, Header], architecture: Architecture, latent: bool
) -> Iterator[Finding]:
    prefixes, mend = PREFIXES if latent else ("",), MENDS[latent]
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
    gpt2 = architecture.family == "gpt2"
    embedding = "transformer.wte.weight" if gpt2 else "model.embed_tokens.weight"
    wanted = [embedding, "lm_head.weight"]
    if architecture.tied:
        wanted = [name for name in wanted if name in found] or [embedding]
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
