"""A stand-in for a hub into whose one repository files can be put."""

import base64
import hashlib
import json

from hub_server import COMMIT, HubHandler

LARGE = ".parquet"


class Repository(HubHandler):
    """A hub with one repository; large files go there by plain HTTP."""

    files: dict[str, bytes] | None
    """Path → content; None while there is no repository."""
    large: dict[str, bytes]
    """sha256 → content that has been transferred by itself."""
    branches: set[str]
    writes: list[str]
    refusing: str = ""
    """What is posted to an address that ends in this is refused."""
    private: bool

    @classmethod
    def absent(cls) -> type["Repository"]:
        """A hub on which there is no repository yet."""
        state = {"files": None, "large": {}, "branches": {"main"}, "writes": [], "private": False}
        return type("Absent", (cls,), state)

    @property
    def address(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = "/".join(path.removeprefix("/api/datasets/").split("/")[:2])
        if self.refused(name):
            return
        if self.files is None:
            self.answer({}, 404, {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path and path.rpartition("/")[2] not in self.branches:
            self.answer({}, 404, {"X-Error-Code": "RevisionNotFound"})
        elif "/tree/" in path:
            self.answer([_listed(path, content) for path, content in self.files.items()])
        else:
            about = {"id": name, "sha": COMMIT, "private": self.private, "siblings": []}
            self.answer(about)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if self.refusing and path.endswith(self.refusing):
            self.answer({"error": "not yours"}, 403)
        elif path == "/api/repos/create":
            self.created(json.loads(body))
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            kinds = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": kinds})
        elif path.endswith("/info/lfs/objects/batch"):
            self.asked_for_room(json.loads(body))
        elif "/branch/" in path:
            self.writes.append("branch")
            self.branches.add(path.rpartition("/")[2])
            self.answer({})
        elif "/commit/" in path:
            self.committed([json.loads(line) for line in body.splitlines()])
        else:
            self.answer({"error": path}, 404)

    def created(self, asked: dict) -> None:
        self.writes.append("create")
        known = type(self).files is not None
        if not known:
            type(self).files, type(self).private = {}, asked.get("visibility") == "private"
        url = f"{self.address}/datasets/{asked['organization']}/{asked['name']}"
        self.answer({"url": url, "name": asked["name"]}, 409 if known else 200)

    def asked_for_room(self, asked: dict) -> None:
        objects = []
        for item in asked["objects"]:
            href = f"{self.address}/large/{item['oid']}"
            objects.append(item | {"actions": {"upload": {"href": href, "header": {}}}})
        kind = {"Content-Type": "application/vnd.git-lfs+json"}
        self.answer({"transfer": "basic", "objects": objects}, headers=kind)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.writes.append("transfer")
        self.large[self.path.rpartition("/")[2]] = content
        self.answer(b"")

    def committed(self, lines: list[dict]) -> None:
        self.writes.append("commit")
        for line in lines:
            told = line["value"]
            if line["key"] == "file":
                self.files[told["path"]] = base64.b64decode(told["content"])
            elif line["key"] == "lfsFile":
                self.files[told["path"]] = self.large[told["oid"]]
        address = f"{self.address}/datasets/owner/set/commit/{COMMIT}"
        self.answer({"success": True, "commitOid": COMMIT, "commitUrl": address})


def _listed(path: str, content: bytes) -> dict:
    sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    found = {"type": "file", "path": path, "size": len(content), "oid": sha1}
    if path.endswith(LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        pointer = f"version 1\noid sha256:{sha256}\n".encode()
        found["oid"] = hashlib.sha1(pointer).hexdigest()
        found["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return found
