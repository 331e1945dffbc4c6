"""What the Hugging Face hub gave, and why it did not, said so that it can be mended."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import BadInput, bad


@contextlib.contextmanager
def explaining(where: str, otherwise: str, absent: str = "") -> Iterator[None]:
    """Turn an error of huggingface_hub inside the block into BadInput about `where`.

    `otherwise` ends a mend with what else can be done ("or give the path of a local folder.");
    `absent` opens a message with what was looked for before the hub ("there is no such local
    folder").
    """
    from huggingface_hub import errors

    try:
        yield
    except (errors.HTTPError, errors.EntryNotFoundError, ValueError, OSError) as error:
        raise _explained(where, error, otherwise, f"{absent}, and " if absent else "") from error


def _explained(where: str, error: Exception, otherwise: str, before: str) -> BadInput:
    from huggingface_hub import errors

    # Failing to find it in the cache is the consequence; why the hub did not give it is the cause.
    causes = [error, error.__cause__]
    if any(isinstance(cause, errors.GatedRepoError) for cause in causes):
        mend = f"Ask for access on its page and log in with `hf auth login`, {otherwise}"
        return bad(where, "this hub repository is gated", mend)
    if any(isinstance(cause, errors.RepositoryNotFoundError) for cause in causes):
        what = f"{before}no such public hub repository" if before else "no such hub repository"
        mend = f"Check the spelling, log in with `hf auth login` if it is private, {otherwise}"
        return bad(where, what, mend)
    if any(isinstance(cause, errors.RevisionNotFoundError) for cause in causes):
        mend = "Name a branch, tag or commit of it."
        return bad(where, "the hub repository has no such revision", mend)
    if isinstance(error, errors.HFValidationError):
        return bad(
            where, f"{before}it is no hub repository id", f"Write it as owner/name, {otherwise}"
        )
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    what = f"{before}the hub could not be reached ({reason})"
    return bad(where, what, f"Check the spelling and the connection, {otherwise}")


_COMMIT = re.compile(r"/snapshots/([0-9a-f]{40})(?:/|$)")


def fetched_commits(fetched: str | Path) -> dict[str, str]:
    """Part of a model → the commit it was fetched at.

    `fetched` is what the rule `fetch_model` wrote; the hub's cache names its folders by commit.
    """
    folders = json.loads(Path(fetched).read_text(encoding="utf-8"))
    found = {part: _COMMIT.search(Path(folder).as_posix()) for part, folder in folders.items()}
    return {part: match[1] for part, match in found.items() if match}
