"""A digest of the code a script can reach: what a rule's results depend on besides their inputs.

Comments, docstrings and layout do not count. Imports inside the package are followed wherever they
stand; a data file counts when a reached module names it as a string and it lies in that module's
folder. Paths enter relative to the root, so a moved checkout keeps its fingerprints. What parsing
told of a file is remembered by its bytes, since every call of the workflow asks for all of them.
"""

import ast
import contextlib
import functools
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cotsieve.ground.files import CACHE, remember

PACKAGE = "cotsieve"


def reached_files(
    script: str | Path, root: str | Path, without: tuple[str, ...] = ()
) -> dict[str, str]:
    """Relative path → digest of every file the script's results depend on, in path order.

    Files whose relative path starts with one of `without` are neither counted nor followed.
    """
    root, parsed = Path(root).resolve(), _parsed_files()
    found: dict[str, str] = {}
    queue = [(root / script).resolve()]
    while queue:
        path = queue.pop()
        name = path.relative_to(root).as_posix()
        if name in found or name.startswith(without):
            continue
        source = parsed.source(path, path.stat().st_mtime_ns)
        found[name] = source.digest
        queue += [
            file for file in map(functools.partial(_module_file, root), source.imports) if file
        ]
        for word in source.words:
            data = path.parent / word
            if data.is_file():
                found[data.relative_to(root).as_posix()] = _digest(data.read_bytes())
    parsed.save()
    return dict(sorted(found.items()))


class _Source(NamedTuple):
    digest: str
    imports: list[str]
    words: list[str]
    """Strings that could be the name of a file."""


class _ParsedFiles:
    """What parsing told of files, kept in a note from run to run.

    It is found by the bytes of a file, of this module, and the Python that parsed. A note that is
    damaged or cannot be written costs time, nothing else.
    """

    def __init__(self) -> None:
        self._reader = sys.version.encode() + Path(__file__).read_bytes()
        self._note = CACHE / "code.json"
        self._noted: dict[str, _Source] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            noted = json.loads(self._note.read_text(encoding="utf-8"))
            self._noted = {key: _checked(*told) for key, told in noted.items()}
        self._used: dict[str, _Source] = {}
        self._at: dict[tuple[Path, int], _Source] = {}

    def source(self, path: Path, modified: int) -> _Source:
        """A file that is the same in this process while it has not been `modified` since."""
        if (path, modified) not in self._at:
            code = path.read_bytes()
            key = _digest(self._reader + code)
            self._used[key] = self._noted.get(key) or _parsed(code)
            self._at[path, modified] = self._used[key]
        return self._at[path, modified]

    def save(self) -> None:
        if not self._used.keys() <= self._noted.keys():
            self._noted = dict(self._used)
            with contextlib.suppress(OSError):
                remember(self._note, self._noted)


@functools.cache
def _parsed_files() -> _ParsedFiles:
    return _ParsedFiles()


def _checked(digest: str, imports: list[str], words: list[str]) -> _Source:
    if not all(isinstance(word, str) for word in [digest, *imports, *words]):
        raise TypeError("a note holds strings only")
    return _Source(digest, imports, words)


def _parsed(code: bytes) -> _Source:
    tree = ast.parse(code)
    imports = list(_imports(tree))
    _drop_docstrings(tree)
    words = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _file_name(node.value)
    ]
    return _Source(_digest(ast.unparse(tree).encode()), imports, words)


def _file_name(word: str) -> bool:
    stem, dot, suffix = word.rpartition(".")
    return bool(stem and dot and suffix.isalnum() and "/" not in word and "\n" not in word)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_file(root: Path, module: str) -> Path | None:
    if module.split(".")[0] != PACKAGE:
        return None
    stem = root.joinpath(*module.split("."))
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if file.is_file():
            return file
    return None


def _drop_docstrings(tree: ast.AST) -> None:
    """Remove docstrings, and the bare strings that document fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
            kept = [statement for statement in body if not _is_bare_string(statement)]
            node.body = kept or [ast.Pass()]


def _is_bare_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
