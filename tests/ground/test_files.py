import hashlib
import os
from pathlib import Path

import pytest

from cotsieve.ground import files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(files, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_a_file_appears_with_its_folders(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "note.txt", "é\n")
    assert (tmp_path / "a" / "b" / "note.txt").read_bytes() == "é\n".encode()
    assert list((tmp_path / "a" / "b").iterdir()) == [tmp_path / "a" / "b" / "note.txt"]


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("written", [None, "half"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path, before, written, error):
    path = tmp_path / "folder" / "note.txt"
    if before:
        files.write_text(path, before)
    with pytest.raises(error), files.appearing(path) as temporary:
        if written:
            temporary.write_text(written)
        raise error
    assert [file.name for file in path.parent.iterdir()] == (["note.txt"] if before else [])
    assert not before or path.read_text() == before


def test_nobody_sees_a_file_before_it_is_whole(tmp_path):
    path = tmp_path / "note.txt"
    with files.appearing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "first"


def test_a_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"abc" * 1000)
    assert files.content_digest(path) == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_a_digest_is_remembered_until_the_file_may_have_changed(tmp_path, cache, monkeypatch):
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    first, time = files.content_digest(path), path.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(files, "sha256_of", None)
        assert files.content_digest(path) == first
    path.write_bytes(b"two")  # the same size, and the time is put back: it was changed all the same
    os.utime(path, ns=(time, time))
    assert files.content_digest(path) == hashlib.sha256(b"two").hexdigest()


def test_a_note_with_another_digit_is_not_believed(tmp_path, cache):
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    expected = files.content_digest(path)
    (note,) = (cache / "digests").iterdir()
    note.write_text(note.read_text().replace(expected, "0" * 64))
    assert files.content_digest(path) == expected


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"sha256": "x"}', "null", "\udcff"])
def test_a_damaged_note_is_ignored(tmp_path, cache, damage):
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    expected = files.content_digest(path)
    (note,) = (cache / "digests").iterdir()
    note.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert files.content_digest(path) == expected
    assert files.remembered(note)[-1] == expected


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, cache):
    cache.write_text("a file where the folder should be")
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    assert files.content_digest(path) == hashlib.sha256(b"one").hexdigest()


def test_two_paths_to_one_file_share_a_note(tmp_path, cache):
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    (tmp_path / "link.bin").symlink_to(path)
    assert files.content_digest(tmp_path / "link.bin") == files.content_digest(path)
    assert len(list((cache / "digests").iterdir())) == 1
