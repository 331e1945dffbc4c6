"""A revision may be a branch; what was fetched is a commit."""

import json

from cotsieve.ground.hub import fetched_commits

CACHE = "/cache/models--owner--name/snapshots/"


def test_the_folders_of_the_cache_tell_the_commit(tmp_path):
    folders = {
        "checkpoint": CACHE + "0123456789abcdef" * 2 + "01234567",
        "base": CACHE + "fedcba98" * 5 + "/base",
        "elsewhere": "/data/snapshots/today",
    }
    noted = tmp_path / "model.json"
    noted.write_text(json.dumps(folders))
    assert fetched_commits(noted) == {
        "checkpoint": "0123456789abcdef" * 2 + "01234567",
        "base": "fedcba98" * 5,
    }
