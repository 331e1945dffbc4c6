"""A CODI checkpoint as the library peft saves it: adapters in a folder, the model they were trained
on elsewhere, the projection in a file beside them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.ground.model_folder import ADAPTER_CONFIG, ADAPTERS, beside_adapters
from cotsieve.weights.architecture import Architecture, read_config
from cotsieve.weights.codi_names import AUXILIARY, PEFT, PREFIXES, PROJECTION, joined
from cotsieve.weights.layout import weight_files

MEND = (
    "The folder needs the adapters with the embedding of all tokens (peft: save_embedding_layers) "
    "and the projection beside them; `base` the weights they were trained on."
)
PLAIN = {
    "peft_type": "LORA",
    "use_rslora": False,
    "use_dora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layer_replication": None,
}
"""Key of `adapter_config.json` → the value for which the adapters add (alpha / rank) B A."""

T = TypeVar("T")


class PeftFolder(NamedTuple):
    """What makes a whole checkpoint."""

    adapters: Path
    projection: Path | None
    """None: it is in the adapters' file."""
    base: Path
    """A folder with weights."""


def peft_folder(folder: Path, base: Path) -> PeftFolder:
    """Find the files. Raises BadInput where `base` has no weights or the projection is not sure."""
    try:
        weight_files(base)
    except BadInput:
        what = f"it has no weights, and {folder} holds adapters alone"
        raise bad(base, what, "Name the folder of the model they were trained on.") from None
    adapters = next(folder / name for name in ADAPTERS if (folder / name).is_file())
    found = beside_adapters(folder)
    named = [path for path in found if path.name.startswith(("prj", "proj"))]
    if len(found) > 1 and len(named) != 1:
        names = ", ".join(path.name for path in found)
        what = f"{names} stand beside the adapters, and only one file may hold the projection"
        raise bad(folder, what, "Name it prj.safetensors, or name the file of a whole checkpoint.")
    projection = (named or found or [None])[0]
    return PeftFolder(adapters, projection, base)


def whole_state(
    files: PeftFolder, architecture: Architecture, read: Callable[[Path], dict[str, T]]
) -> dict[str, T]:
    """The tensors, or headers, of all files under the names of a whole checkpoint.

    `read` gives those of a file or folder. Raises BadInput for files that are something else.
    """
    adapters = read(files.adapters)
    projection = read(files.projection) if files.projection else {}
    strange = [name for name in adapters if not name.startswith((PEFT, "prj.", *AUXILIARY))]
    if strange:
        what = f"{strange[0]!r:.100} is no name that peft gives"
        raise bad(files.adapters, what, MEND)
    strange = [name for name in projection if name.removeprefix("prj.") not in PROJECTION]
    if strange:
        whole = strange[0].startswith(PREFIXES)
        what = "is a whole checkpoint" if whole else f"{strange[0]!r:.100} is not of a projection"
        mend = "Name this file in `checkpoint`, or remove it." if whole else MEND
        raise bad(files.projection, f"it stands beside adapters, and {what}", mend)
    return joined(adapters, projection, read(files.base), architecture)


def check_settings(folder: Path, rank: int | None, alpha: float) -> None:
    """Raise BadInput where peft would not add (alpha / rank) B A; `rank` is that of the tensors."""
    findings = list(_unlike(folder / ADAPTER_CONFIG, rank, alpha))
    if findings:
        raise BadInput(findings)


def _unlike(path: Path, rank: int | None, alpha: float) -> Iterator[Finding]:
    config = read_config(path)
    for key, plain in PLAIN.items():
        value = config.get(key, plain)
        if value != plain and (value or plain):
            mend = "Merge the adapters into the model with peft, and save it whole."
            yield Finding(f"{path}: {key}", f"{value!r:.60} is not supported", mend)
    said = config.get("r")
    if rank is not None and said is not None and said != rank:
        what = f"it says {said!r:.20}, the adapters have rank {rank}"
        yield Finding(f"{path}: r", what, "Save adapters and configuration together again.")
    said = config.get("lora_alpha")
    if said is not None and said != alpha:
        what = f"it says {said!r:.20}, the study says {alpha:g}"
        yield Finding(f"{path}: lora_alpha", what, "Correct lora.alpha in the study.")
