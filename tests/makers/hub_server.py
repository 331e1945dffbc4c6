"""A stand-in for the Hugging Face hub on this machine; each test says what it answers."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSALS = {
    "owner/missing": (401, "RepoNotFound"),
    "owner/gated": (403, "GatedRepo"),
    "owner/revised": (404, "RevisionNotFound"),
    "owner/down": (500, ""),
}


class HubHandler(BaseHTTPRequestHandler):
    """What the answers of every stand-in have in common."""

    protocol_version = "HTTP/1.1"

    def refused(self, repository: str) -> bool:
        """Whether this repository is one that is always refused; then it has been."""
        if repository not in REFUSALS:
            return False
        status, code = REFUSALS[repository]
        self.answer(b"{}", status, {"X-Error-Code": code})
        return True

    def answer(
        self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send bytes as they are, and anything else as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def hub_with(repositories: Mapping[str, Mapping[str, bytes]]) -> type[HubHandler]:
    """A hub of models and datasets, as much of it as listing and fetching their files needs.

    `repositories`: owner/name → path → content, all at one commit.
    """

    class Hub(HubHandler):
        def do_GET(self) -> None:
            path = re.sub(r"^(/api)?/(models/|datasets/)?", "", self.path).partition("?")[0]
            parts = path.split("/")  # of the repository: owner, name, what is asked, revision, file
            repository, asked = "/".join(parts[:2]), "".join(parts[2:3])
            if self.refused(repository):
                return
            if asked in ("", "revision"):
                self.answer({"id": repository, "sha": COMMIT})
            elif asked == "tree":
                files = [
                    {"type": "file", "path": path, "size": len(content), "oid": path}
                    for path, content in repositories[repository].items()
                ]
                self.answer(files)
            else:
                content = repositories[repository]["/".join(parts[4:])]
                headers = {"ETag": f'"{hash(content)}"', "X-Repo-Commit": COMMIT}
                self.answer(content, headers=headers)

        do_HEAD = do_GET

    return Hub


@contextmanager
def serving(handler: type[HubHandler]) -> Iterator[str]:
    """The address of a hub that answers so."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hub_of(
    handler: type[HubHandler], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Make the library ask this hub in this process, with an empty cache."""
    with serving(handler) as address:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        yield address


def hub_fixture(repositories: Mapping[str, Mapping[str, bytes]]) -> Callable[..., Iterator[None]]:
    """A fixture: a hub with these repositories on this machine, with an empty cache."""

    @pytest.fixture
    def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with hub_of(hub_with(repositories), tmp_path / "cache", monkeypatch):
            yield

    return hub


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
