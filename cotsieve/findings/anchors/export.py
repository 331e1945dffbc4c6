"""Rollouts in the published form: folders as in uzaymacar/math-rollouts, and one table of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.findings.anchors.published import FORCED_TREE, Entry, PublishedTrace
from cotsieve.ground.faults import bad
from cotsieve.ground.files import appearing, write_text

HUB = pa.schema(
    [
        ("path", pa.string()),
        ("filename", pa.string()),
        ("extension", pa.string()),
        ("size_bytes", pa.int64()),
        ("content", pa.string()),
    ]
)
TEXTS = (".json", ".jsonl")
"""Files whose content stands in the table."""
_LEFT_OUT = (".lock", ".metadata")


def entry(
    removed: str, before: str, prompt: str, text: str, replacement: str, answer: str,
    correct: bool | None,
) -> Entry:  # fmt: skip
    """One of solutions.json; `prompt` is all that was read, `text` what was written."""
    return {
        "chunk_removed": removed,
        "prefix_without_chunk": before,
        "chunk_resampled": replacement,
        "rollout": text,
        "full_cot": prompt + text,
        "answer": answer,
        "is_correct": correct,
    }


def failed_entry(removed: str, before: str, error: str) -> Entry:
    """One of solutions.json for a rollout that failed."""
    return {"chunk_removed": removed, "prefix_without_chunk": before, "error": error}


def write_trace(root: str | Path, trace: PublishedTrace) -> None:
    """Write the folder of a trace below `root`, and that of its forced answers where it has any."""
    folder = Path(root) / trace.folder
    source, text = trace.base.get("full_cot", ""), trace.thought
    chunks = {"source_text": source, "solution_text": text, "chunks": trace.chunks}
    shared = {
        "problem.json": trace.problem,
        "base_solution.json": trace.base,
        "chunks.json": chunks,
    }
    trees = [(folder, trace.rollouts)]
    if trace.forced:
        beside = folder.parent.with_name(folder.parent.name + FORCED_TREE) / folder.name
        trees.append((beside, trace.forced))
    for place, rollouts in trees:
        for name, content in shared.items():
            _write_json(place / name, content)
        for sentence, entries in rollouts.items():
            _write_json(place / f"chunk_{sentence}" / "solutions.json", entries)
    if trace.labels is not None:
        _write_json(folder / "chunks_labeled.json", trace.labels)


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=2))


def hub_rows(root: str | Path) -> Iterator[dict[str, Any]]:
    """Rows of HUB for the files below `root`, in the order of their paths."""
    root = Path(root)
    for path in sorted(file for file in root.rglob("*") if file.is_file()):
        place = path.relative_to(root)
        if path.suffix in _LEFT_OUT or ".cache" in place.parts:
            continue
        content = path.read_bytes()
        extension = path.suffix.lower()
        yield {
            "path": place.as_posix(),
            "filename": path.name,
            "extension": extension,
            "size_bytes": len(content),
            "content": content.decode("utf-8", "replace") if extension in TEXTS else None,
        }


def write_hub_table(root: str | Path, output: str | Path, group_bytes: int = 64_000_000) -> None:
    """Write the files below `root` as one table, a row group for about so many bytes."""
    with (
        appearing(output) as temporary,
        pq.ParquetWriter(temporary, HUB, compression="zstd") as writer,
    ):
        waiting, size = [], 0
        for row in hub_rows(root):
            waiting.append(row)
            size += row["size_bytes"]
            if size >= group_bytes:
                writer.write_table(pa.Table.from_pylist(waiting, schema=HUB))
                waiting, size = [], 0
        writer.write_table(pa.Table.from_pylist(waiting, schema=HUB))


def unpack_hub_table(files: Sequence[str | Path], root: str | Path, under: str = "") -> int:
    """Write the files that the table holds below `root`; how many. A few rows are held at a time.

    Only those whose path starts with `under`. Raises BadInput for another table, and for paths that
    lead out of `root`.
    """
    count = 0
    for file in files:
        for row in _rows(Path(file)):
            if row["content"] is None or not row["path"].startswith(under):
                continue
            place = Path(root) / row["path"]
            if not place.resolve().is_relative_to(Path(root).resolve()):
                what = f"the path {row['path']!r} leads out of the folder"
                raise bad(file, what, "Use the published table.")
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, row["content"])
            count += 1
    return count


def _rows(file: Path) -> Iterable[dict[str, Any]]:
    try:
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        what = f"cannot be read as Parquet ({error})"
        raise bad(file, what, "Fetch the file again.") from None
    missing = {"path", "content"} - set(table.schema_arrow.names)
    if missing:
        what = f"it has no column {', '.join(sorted(missing))}"
        raise bad(file, what, "Give the files of a table as uzaymacar/math-rollouts has it.")
    for batch in table.iter_batches(batch_size=8, columns=["path", "content"]):
        yield from batch.to_pylist()
