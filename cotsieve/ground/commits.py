"""Which commits of hub repositories were fetched."""

import json
import re
from pathlib import Path

_COMMIT = re.compile(r"/snapshots/([0-9a-f]{40})(?:/|$)")


def fetched_commits(fetched: str | Path) -> dict[str, str]:
    """Part of a model → the commit it was fetched at.

    `fetched` is what the rule `fetch_model` wrote; the hub's cache names its folders by commit.
    """
    folders = json.loads(Path(fetched).read_text(encoding="utf-8"))
    found = {part: _COMMIT.search(Path(folder).as_posix()) for part, folder in folders.items()}
    return {part: match[1] for part, match in found.items() if match}
