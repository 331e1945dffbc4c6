"""A model from a hub on this machine, which need not be the one that fetched it."""

import logging
from collections.abc import Mapping
from pathlib import Path

from cotsieve.models.hub import resolve

log = logging.getLogger(__name__)


def at_hand(
    noted: Mapping[str, str], places: Mapping[str, tuple[str, str | None, str]]
) -> dict[str, str]:
    """Part → its folder here; one that this machine does not have is fetched once more.

    `noted` are the folders where another job fetched to, `places` repository, revision and what is
    needed of it. Raises BadInput when the hub is out of reach.
    """
    found = {}
    for part, folder in noted.items():
        if not Path(folder).exists():
            repository, revision, kind = places[part]
            log.info("%s is not on this machine; fetching %s", folder, repository)
            folder = str(resolve(repository, _commit(Path(folder)) or revision, kind).resolve())
        found[part] = folder
    return found


def _commit(folder: Path) -> str | None:
    """The commit a folder of the hub's cache is a snapshot of."""
    return folder.name if folder.parent.name == "snapshots" else None
