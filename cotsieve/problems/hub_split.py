"""Fetch one split of a dataset on the Hugging Face hub as a single Parquet file."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.files import appearing
from cotsieve.ground.hub import explaining

UNNAMED = "default"
"""The configuration of files that lie in no configuration's folder."""

_OTHERWISE = "or fetch the file by other means and give its path."
_NUMBER = r"(?P<number>\d+)(?:-of-(?P<total>\d+))?(?:-[0-9a-f]{16})?"
_LAYOUTS = (
    re.compile(rf"(?:(?P<config>[^/]+)/)?(?P<split>[^/-]+)(?:-{_NUMBER})?\.parquet"),
    re.compile(rf"(?P<config>[^/]+)/(?P<split>[^/-]+)/{_NUMBER}\.parquet"),
)


class _Shard(NamedTuple):
    """A Parquet file of a split: number `number` of `total`, where its name tells."""

    folder: str
    number: int
    total: int | None
    path: str


def fetch_split(repo: str, config: str, split: str, revision: str, output: str | Path) -> None:
    """Write the rows of a split, in the order of its shards, to one Parquet file at `output`.

    `revision` is a commit. Known are the names CONFIG/SPLIT-00000-of-00001.parquet (a number is
    not needed when there is one file), CONFIG/SPLIT/0000.parquet as in branches that the hub
    converts, and for the configuration "default" data/SPLIT-… and SPLIT-…; it and the only named
    configuration of a repository stand for each other. Files come through the hub's cache, and
    from it alone when the hub is out of reach. Metadata of the files (pandas, features) is dropped.

    Raises BadInput when there is no such dataset, commit or split, when it is gated, out of reach
    and not cached, incomplete, or damaged, and when shards differ in their columns.
    """
    where = f"dataset {repo} at {revision}"
    paths = _paths(repo, config, split, revision, where)
    _concatenate(_fetched(repo, revision, paths, where), output)


def _paths(repo: str, config: str, split: str, revision: str, where: str) -> list[str]:
    """The split's files in the repository; as far as they are cached when the hub cannot tell."""
    from huggingface_hub import HfApi

    try:
        with explaining(where, _OTHERWISE):
            # Asked first because it fails at once; a list is tried again for many seconds.
            HfApi().dataset_info(repo, revision=revision)
            files = HfApi().list_repo_files(repo, repo_type="dataset", revision=revision)
    except BadInput as unheard:
        try:
            return _in_order(_shards(_cached(repo, revision), config, split, where), where)
        except BadInput:  # that it is not cached is the consequence
            raise unheard from None
    return _in_order(_shards(files, config, split, where), where)


def _cached(repo: str, revision: str) -> list[str]:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).expanduser()
    folder = cache / f"datasets--{repo.replace('/', '--')}" / "snapshots" / revision
    files = (path for path in folder.rglob("*.parquet") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in files]


def _shards(files: Iterable[str], config: str, split: str, where: str) -> list[_Shard]:
    found: dict[str, dict[str, list[_Shard]]] = {}
    for path in files:
        for layout in _LAYOUTS:
            name = layout.fullmatch(path)
            if name:
                folder = path.rpartition("/")[0]
                named = UNNAMED if name["config"] in (None, "data") else name["config"]
                total = int(name["total"]) if name["total"] else None
                shard = _Shard(folder, int(name["number"] or 0), total, path)
                found.setdefault(named, {}).setdefault(name["split"], []).append(shard)
    if config not in found and len(found) == 1 and UNNAMED in (config, *found):
        config = next(iter(found))
    if split in found.get(config, {}):
        return found[config][split]
    has = "; ".join(f"{name}: {', '.join(sorted(found[name]))}" for name in sorted(found))
    what = f"no split {split!r} of configuration {config!r} is there as Parquet"
    raise bad(where, f"{what} ({has or 'no Parquet at all'})", f"Name a split it has, {_OTHERWISE}")


def _in_order(shards: list[_Shard], where: str) -> list[str]:
    """Paths by number; of the folders that hold the split, the first by name."""
    folder = min(shard.folder for shard in shards)
    shards = sorted(shard for shard in shards if shard.folder == folder)
    total = shards[0].total or len(shards)
    if [shard.number for shard in shards] != list(range(total)):
        names = ", ".join(shard.path for shard in shards[:5])
        what = f"the shards of the split are not numbers 0 to {total - 1}, but {names}"
        raise bad(where, what, f"Connect to the hub to fetch those missing, {_OTHERWISE}")
    return [shard.path for shard in shards]


def _fetched(repo: str, revision: str, paths: list[str], where: str) -> list[Path]:
    from huggingface_hub import hf_hub_download

    # Backwards, so that what an interrupted fetch leaves in the cache lacks number 0.
    with explaining(where, _OTHERWISE):
        files = [
            Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))
            for path in reversed(paths)
        ]
    return files[::-1]


def _concatenate(files: list[Path], output: str | Path) -> None:
    schema = _opened(files[0]).schema_arrow.remove_metadata()
    with appearing(output) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for file in files:
            shard = _opened(file)
            if not shard.schema_arrow.equals(schema):
                what = f"its columns differ from those of {files[0].name}"
                raise bad(file, what, "Name a split whose files agree.")
            for group in range(shard.num_row_groups):
                writer.write_table(_rows(file, shard, group).cast(schema))


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(file, error) from None


def _rows(file: Path, shard: pq.ParquetFile, group: int) -> pa.Table:
    try:
        return shard.read_row_group(group)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> BadInput:
    first = (str(error).splitlines() or ["no detail"])[0]
    mend = f"Delete it to fetch it again: rm '{file.resolve()}'"
    return bad(file, f"damaged, cut or not Parquet ({first})", mend)
