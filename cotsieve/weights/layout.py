"""Which files a checkpoint folder is made of; none of them is read but the index of shards."""

import json
from pathlib import Path

from cotsieve.ground.faults import BadInput, Finding, bad

LAYOUTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The file that decides how a folder is read; the first one present wins."""

INDEX = ".index.json"
MOST_SHARDS = 1_000
FETCH = "Fetch the file again and compare its size with the original."


def weight_files(checkpoint: Path) -> list[Path]:
    """The files `read_state` would read (index first, then shards by name), without reading them.

    Raises BadInput when there is no weight file, the index is damaged, or shards are missing.
    """
    head = weight_head(Path(checkpoint))
    return [head, *sorted(shards_of(head))] if head.name.endswith(INDEX) else [head]


def weight_head(checkpoint: Path) -> Path:
    """The file that decides how a checkpoint, a folder or one file, is read."""
    if checkpoint.is_file():
        return checkpoint
    if not checkpoint.is_dir():
        raise bad(checkpoint, "there is no such file or folder", "Correct the path.")
    for name in LAYOUTS:
        if (checkpoint / name).is_file():
            return checkpoint / name
    present = ", ".join(sorted(path.name for path in checkpoint.iterdir())[:8]) or "nothing"
    mend = f"It needs one of {', '.join(LAYOUTS)}; name its folder, or the file itself."
    raise bad(checkpoint, f"holds no weight file, only {present}", mend)


def shards_of(index: Path) -> dict[Path, set[str]]:
    """Shard file → the tensors the index says it holds."""
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))["weight_map"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise bad(index, f"is not an index of shards ({error!r:.200})", FETCH) from None
    shards: dict[Path, set[str]] = {}
    for name, file in entries:
        if (
            not isinstance(file, str)
            or Path(file).name != file
            or len(file.encode("utf-8", "replace")) > 255
        ):
            what = f"{file!r:.100} is not the name of a file beside the index"
            raise bad(f"{index}: {name}", what, FETCH)
        shards.setdefault(index.parent / file, set()).add(name)
    if len(shards) > MOST_SHARDS:
        raise bad(index, f"lists {len(shards):,} files", FETCH)
    missing = [path for path in sorted(shards) if not path.is_file()]
    if missing:
        raise BadInput(
            Finding(str(path), f"is listed in {index.name} but missing", "Fetch this shard.")
            for path in missing
        )
    if not shards:
        raise bad(index, "lists no tensors", FETCH)
    return shards
