"""A job finds its model also on a machine that did not fetch it."""

import pytest

from cotsieve.rollouts import job as fetched_model
from cotsieve.rollouts.job import at_hand

PLACES = {"checkpoint": ("owner/name", None, "checkpoint"), "base": ("owner/base", "v1", "base")}


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list[tuple]:
    """What was asked of the hub; every answer is one folder."""
    calls = []

    def resolve(*arguments):
        calls.append(arguments)
        return tmp_path

    monkeypatch.setattr(fetched_model, "resolve", resolve)
    return calls


def test_a_folder_that_is_there_is_used(asked, tmp_path):
    assert at_hand({"checkpoint": str(tmp_path)}, PLACES) == {"checkpoint": str(tmp_path)}
    assert asked == []


def test_a_snapshot_of_another_machine_is_fetched_at_its_commit(asked, tmp_path):
    noted = {"checkpoint": "/away/models--owner--name/snapshots/0123abcd", "base": "/away/base"}
    found = at_hand(noted, PLACES)
    assert found == dict.fromkeys(noted, str(tmp_path.resolve()))
    assert asked == [("owner/name", "0123abcd", "checkpoint"), ("owner/base", "v1", "base")]
