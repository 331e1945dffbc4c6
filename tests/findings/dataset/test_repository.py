"""Publishing asks the hub for what it holds, and puts there just what is new, in one commit."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_repository import Repository
from hub_server import COMMIT, hub_of
from huggingface_hub import constants

from cotsieve.findings.dataset.publishing import LocalFile
from cotsieve.findings.dataset.repository import (
    check_name,
    look,
    refuse_mixing,
    state,
    upload,
)
from cotsieve.ground.faults import BadInput

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Repository]]:
    """An empty hub, into which large files go by plain HTTP."""
    handler = Repository.absent()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "a-token-of-nobody")
    with hub_of(handler, tmp_path / "cache", monkeypatch):
        yield handler


CONTENT = {"data/train-00000-of-00001.parquet": b"PAR1" * 50, "README.md": b"# A card\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in (CONTENT | {"notes.txt": b"not for others"}).items():
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).write_bytes(content)
    return tmp_path / "set"


def files(folder: Path) -> list[LocalFile]:
    return [
        LocalFile(
            path,
            len(content),
            hashlib.sha256(content).hexdigest(),
            hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
        )
        for path in CONTENT
        for content in [(folder / path).read_bytes()]
    ]


def put(folder: Path, private: bool = False, branch: str = "main") -> str:
    return upload(folder, files(folder), "owner/set", branch, private, "one set")


def test_looking_changes_nothing(hub, folder):
    found = look("owner/set")
    assert not found.exists and not hub.writes
    assert [state(file, found) for file in files(folder)] == ["new", "new"]


def test_the_files_arrive_as_they_are_and_no_others(hub, folder):
    assert put(folder, private=True).endswith(f"/commit/{COMMIT}")
    assert hub.files == CONTENT and hub.private
    assert hub.writes == ["create", "transfer", "commit"]
    found = look("owner/set")
    assert (found.exists, found.private) == (True, True)
    assert {state(file, found) for file in files(folder)} == {"unchanged"}
    (folder / "README.md").write_text("# Another card\n")
    assert [state(file, found) for file in files(folder)] == ["unchanged", "changed"]


def test_a_branch_is_made_when_it_is_absent(hub, folder):
    put(folder)
    found = look("owner/set", "draft")
    assert (found.exists, found.branch) == (True, False)
    hub.writes.clear()
    put(folder, branch="draft")
    assert hub.writes == ["create", "branch", "transfer", "commit"]
    assert look("owner/set", "draft").branch


@pytest.mark.parametrize("address", ["/create", "/preupload/main", "/commit/main"])
def test_a_refused_upload_is_one_message(hub, folder, address):
    hub.refusing = address
    with pytest.raises(BadInput) as caught:
        put(folder)
    (finding,) = caught.value.findings
    assert finding.where == "owner/set" and "HTTP 403" in finding.what
    assert "hf auth login" in finding.mend and "commit" not in hub.writes


def test_other_data_in_the_repository_is_not_mixed_with(hub, folder):
    put(folder)
    hub.files["data/train-00001-of-00002.parquet"] = b"PAR1"
    with pytest.raises(BadInput, match="other data is in it"):
        refuse_mixing("owner/set", files(folder), look("owner/set"), private=False)


def test_a_public_repository_does_not_become_private(hub, folder):
    put(folder)
    with pytest.raises(BadInput, match="public already"):
        refuse_mixing("owner/set", files(folder), look("owner/set"), private=True)


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        ("owner/gated", ["HTTP 403", "hf auth login"]),
        ("owner/down", ["could not be reached", "500", "by hand"]),
    ],
)
def test_what_the_hub_refuses_is_one_message(hub, repo, words):
    with pytest.raises(BadInput) as caught:
        look(repo)
    assert len(caught.value.findings) == 1
    assert all(word in str(caught.value) for word in [repo, *words])


@pytest.mark.parametrize("name", ["", "set", "owner/set/more", "owner/se t"])
def test_a_repository_has_an_owner_and_a_name(name):
    with pytest.raises(BadInput, match="REPO=owner/name"):
        check_name(name)


@pytest.mark.parametrize(("value", "uploads"), [("1", True), ("0", False), ("", False)])
def test_make_uploads_only_when_told_so(value, uploads):
    command = ["make", "--dry-run", "--always-make", "publish", "REPO=owner/set", f"PUSH={value}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ("--push" in done.stdout) is uploads and '--repo "owner/set"' in done.stdout
