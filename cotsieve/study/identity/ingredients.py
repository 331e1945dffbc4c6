"""What a model, an environment and a script are, as plain values that change when they change."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cotsieve.ground.faults import bad
from cotsieve.ground.files import content_digest
from cotsieve.ground.fingerprint import imported_libraries, reached_files
from cotsieve.ground.model_folder import ADAPTER_CONFIG, BASE_FILES, beside_adapters, is_peft
from cotsieve.study.jobs.places import is_local, model_places
from cotsieve.study.settings.anchors import WORDS, Anchors
from cotsieve.study.settings.models import Model, ReasoningModel
from cotsieve.study.settings.part import decided
from cotsieve.study.settings.places import located
from cotsieve.weights.chat_template import chat_of, named_tokens, template_in

PINNED_ROOMS = (
    *("cotsieve/study/settings/", "cotsieve/study/plan/", "cotsieve/study/identity/"),
    "cotsieve/problems/",
)
"""Code whose whole effect on a job is pinned by the values it was planned with: settings, and the
digests of its problems and of those that give means and donors. The job checks these, so editing
this code cannot make the job's result stale. What a script does with them is in `study/jobs`."""

SETTINGS = ("cotsieve/study/settings/",)
"""What a study file may say; what it does say enters every job by its params."""

GENERATION_LIBRARIES = ("numpy", "tokenizers", "torch", "transformers")
COMPUTING = {
    **{name: (name,) for name in ("numpy", "pylatexenc", "scipy", "sympy")},
    **{name: (name,) for name in ("tokenizers", "torch", "transformers")},
    "latex2sympy2_extended": ("antlr4-python3-runtime", "latex2sympy2_extended"),
    "math_verify": ("math-verify",),
}
"""What is imported → the packages whose versions may change a number or a verdict. pyarrow,
safetensors and pydantic only keep values, and matplotlib only draws them."""

COMPANY_COUNTS = ("tf32", "bf16", "fp16")
"""Precisions in which another batch may give another row; float32 and exact settle close rows."""


def code_identity(entry: str, root: Path, *, pinned: bool = False) -> list[str]:
    """Digests of the code reached from `entry`, a path below `root`, wherever its parts lie.

    `pinned` leaves out the rooms whose effect the digest of the job's problems pins.
    """
    return sorted(set(reached_files(entry, root, _unfollowed(pinned)).values()))


def script_identity(script: str, root: Path) -> dict[str, Any]:
    """The code reached from a script, and package → version of what it computes with."""
    files = reached_files(script, root, SETTINGS)
    imported = COMPUTING.keys() & imported_libraries(files, root)
    packages = {package for name in imported for package in COMPUTING[name]}
    versions = library_versions(tuple(sorted(packages)))
    return {"code": sorted(set(files.values())), "computing libraries": versions}


def code_names(entries: Iterable[str], root: Path) -> dict[str, str]:
    """Digest of a file's own code → its path, of all code reached from the entries."""
    files = {name: code for entry in entries for name, code in reached_files(entry, root).items()}
    return {own_code(code): name for name, code in files.items()}


def own_code(digest: str) -> str:
    """The part of a digest of `code_identity` that tells of the file alone, not of its imports."""
    return digest.partition(".")[0]


def _unfollowed(pinned: bool) -> tuple[str, ...]:
    return PINNED_ROOMS if pinned else SETTINGS


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Library → installed version, without importing it."""
    return {name: version(name) for name in names}


def model_identity(model: Model | ReasoningModel, batch_rows: int | str = "auto") -> dict[str, Any]:
    """What the definition of a model says and what its files hold.

    In narrow number formats the rows of a batch decide one another's last bits, so there its size
    counts too; and in vLLM, whose version counts where it writes the traces.

    Local files count by content, hub files by repository and revision; where they lie does not
    count. Of a chat template counts what it renders, too. Raises BadInput when a local folder has
    no files of the kind, or vLLM is wanted and absent.
    """
    definition = decided(model)
    for key in ("decoding", "sieve", "revision", "base_revision", "anchors_from"):
        definition.pop(key, None)
    foreign = isinstance(model, ReasoningModel) and model.writer == "vllm"
    if foreign:
        definition["vllm"] = _vllm_version()
    if foreign or model.precision in COMPANY_COUNTS:
        definition["batch_rows"] = batch_rows
    if isinstance(model, ReasoningModel):
        content = _content(model.model, model.revision, _all_files)
        return definition | {"model": content} | _rendered(model)
    definition["checkpoint"] = _content(model.checkpoint, model.revision, _weight_files)
    _, _, needed = model_places(model)["base"]
    files = _base_files if needed == "base" else _all_files
    definition["base"] = _content(model.base, model.base_revision, files)
    return definition


def _rendered(model: ReasoningModel) -> dict[str, Any]:
    """The words that a chat template puts around a question, where it can be seen before a run."""
    template = template_in(located(model.model)) if model.style.prompt == "chat" else None
    if template is None:
        return {}
    folder, style = located(model.model), model.style
    known, tags = named_tokens(folder), (style.open, style.close)
    return {"chat": [*chat_of(template, known, style.template, tags=tags, where=model.model)]}


def _vllm_version() -> str:
    try:
        return version("vllm")  # without importing it, which takes long and may need a GPU
    except PackageNotFoundError:
        mend = "Install it here and where jobs run (pip install vllm), or remove the key."
        raise bad("models: writer: vllm", "vLLM is not installed", mend) from None


def embedding_identity(anchors: Anchors) -> dict[str, Any]:
    """What the embedding model of a study's anchors is: its content, or repository and revision."""
    if anchors.embeddings == WORDS:
        return {"words": True}
    return _content(anchors.embeddings, anchors.embeddings_revision, _all_files)


def condition_identity(definition: dict[str, Any]) -> dict[str, Any]:
    """A condition's definition; of the activations it reads from a file counts the content."""
    rest = {key: value for key, value in definition.items() if key != "activations"}
    if len(rest) == len(definition):
        return definition
    return rest | {"activations_sha256": content_digest(located(definition["activations"]))}


def _content(spec: str, revision: str | None, files) -> dict[str, str]:
    if not is_local(spec):
        return {"repository": spec, "revision": revision or "main"}
    path = located(spec)
    return {file.name: content_digest(file) for file in files(path)}


def _all_files(path: Path) -> list[Path]:
    return [*_base_files(path), *_weight_files(path)]


def _weight_files(path: Path) -> list[Path]:
    """Every weight file: an unused one may cost a rerun, a missed one a wrong result."""
    if path.is_file():
        return [path]
    if is_peft(path):
        adapters = path.glob("adapter_model.*")
        return sorted([path / ADAPTER_CONFIG, *adapters, *beside_adapters(path)])
    found = sorted(
        file
        for file in path.iterdir()
        if file.suffix in (".safetensors", ".bin") or file.name.endswith(".index.json")
    )
    if not found:
        raise bad(
            path,
            "no model.safetensors, pytorch_model.bin or index of shards",
            "Give the folder that holds the weights.",
        )
    return found


def _base_files(path: Path) -> list[Path]:
    found = [path / name for name in BASE_FILES if (path / name).is_file()]
    if not any(file.name == "config.json" for file in found):
        raise bad(path, "no config.json", "Give a model folder, which has one.")
    return found
