"""A dataset repository on the Hugging Face hub: what is in it, and putting a dataset into it.

The token is the one huggingface_hub finds (HF_TOKEN, or `hf auth login`); it is never looked at
here.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cotsieve.findings.dataset.publishing import LocalFile
from cotsieve.ground.faults import BadInput, bad
from cotsieve.ground.hub import explaining

MAIN = "main"
_LOGIN = "Log in with `hf auth login`, or set HF_TOKEN to a token that may write there."


class Repository(NamedTuple):
    """What the hub tells of a repository."""

    exists: bool
    """False also where a private one cannot be seen."""
    private: bool
    branch: bool
    """Whether the branch exists."""
    digests: Mapping[str, str]
    """Path → sha256 of a large file, or git's name of a small one's content."""


def check_name(repo: str) -> None:
    """Raise BadInput when `repo` is not written as owner/name."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    if not repo:
        raise bad(
            "repo", "no repository is named", "Name one: --repo owner/name (make: REPO=owner/name)."
        )
    try:
        validate_repo_id(repo)
        named = "/" in repo
    except HFValidationError:
        named = False
    if not named:
        raise bad(
            "repo",
            f"{repo!r} is no dataset repository",
            "Write it as owner/name (make: REPO=owner/name).",
        )


def look(repo: str, branch: str = MAIN) -> Repository:
    """Ask the hub what is in a branch of a dataset repository; nothing is changed.

    Raises BadInput when the hub does not answer.
    """
    from huggingface_hub import HfApi, errors

    hub = HfApi()
    with _explained(repo):
        try:
            private = bool(hub.repo_info(repo, repo_type="dataset").private)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            return Repository(False, False, False, {})
        try:
            tree = list(hub.list_repo_tree(repo, recursive=True, **_place(branch)))
        except errors.RevisionNotFoundError:
            return Repository(True, private, False, {})
    files = [item for item in tree if hasattr(item, "blob_id")]  # folders have none
    digests = {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in files}
    return Repository(True, private, True, digests)


def state(file: LocalFile, found: Repository) -> str:
    """What an upload would mean for a file: new, changed or unchanged."""
    if file.path not in found.digests:
        return "new"
    same = found.digests[file.path] in (file.sha256, file.blob)
    return "unchanged" if same else "changed"


def refuse_mixing(repo: str, files: Sequence[LocalFile], found: Repository, private: bool) -> None:
    """Raise BadInput when an upload would not give what was asked for.

    A card's `data/train-*.parquet` takes in every such file of the repository; and the hub does not
    make an existing repository private.
    """
    if private and found.exists and not found.private:
        what = "the repository is public already"
        raise bad(repo, what, "Make it private on its page, or name another repository.")
    own = {file.path for file in files}
    strange = sorted(
        path
        for path in found.digests
        if path not in own and PurePosixPath(path).match("data/train-*.parquet")
    )
    if strange:
        what = f"other data is in it, which would be read as part of this: {', '.join(strange)}"
        raise bad(repo, what, "Delete it there, or publish to another repository or branch.")


def upload(
    folder: Path, files: Sequence[LocalFile], repo: str, branch: str, private: bool, message: str
) -> str:
    """Put the files into a branch of a dataset repository, in one commit; its address.

    Repository and branch are made when they are absent. Raises BadInput when the hub refuses.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    with _explained(repo):
        hub.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if branch != MAIN:
            hub.create_branch(repo, branch=branch, repo_type="dataset", exist_ok=True)
        done = hub.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[file.path for file in files],
            commit_message=message,
            **_place(branch),
        )
    return str(done.commit_url)


def _place(branch: str) -> dict[str, str]:
    return {"repo_type": "dataset", "revision": branch}


@contextlib.contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turn what the hub or the transfer answers into one message."""
    try:
        with explaining(repo, "or publish the folder by hand: it is complete."):
            yield
    except BadInput as error:
        status = getattr(getattr(error.__cause__, "response", None), "status_code", None)
        if status not in (401, 403):
            raise
        raise bad(repo, f"the hub refused (HTTP {status})", _LOGIN) from error
    except RuntimeError as error:  # of the transfer of large files
        told = str(error.__cause__ or error).splitlines()[0]
        mend = "Run it again: what has arrived is not sent twice."
        raise bad(repo, f"a file could not be transferred ({told})", mend) from error
