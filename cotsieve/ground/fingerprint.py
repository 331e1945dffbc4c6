"""A digest of the code a script can reach: what a rule's results depend on besides their inputs.

Comments, docstrings and layout do not count, nor where a file lies: an import counts by what it
binds and by the content of the file it leads to, so a module that is moved and imported from its
new place is the same code. Imports inside the package are followed wherever they stand; a data file
counts when a reached module names it as a string and it lies in that module's folder. What parsing
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

from cotsieve.ground.files import CACHE, remember, remembered

PACKAGE = "cotsieve"


def reached_files(
    script: str | Path, root: str | Path, without: tuple[str, ...] = ()
) -> dict[str, str]:
    """Relative path → digest of every file the script's results depend on, in path order.

    The digest of a module has two parts, with a dot between: of its own code, and of what it
    imports inside the package. Files whose relative path starts with one of `without` are neither
    counted nor followed.
    """
    places, parsed = _Places(root), _parsed_files()
    found: dict[str, str] = {}
    queue = [places.of(script)]
    while queue:
        path = queue.pop()
        name = places.name(path)
        if name in found or name.startswith(without):
            continue
        source = parsed.source(path, path.stat().st_mtime_ns)
        links = []
        for module, part, bound in source.links:
            files = _imported_files(places.home, module, part)
            queue += [*files[:1], *filter(parsed.runs_code, files[1:])]
            if files and not places.name(files[0]).startswith(without):
                target = parsed.source(files[0], files[0].stat().st_mtime_ns)
                links.append([target.digest, part, bound])
        found[name] = f"{source.digest[:16]}.{_digest(json.dumps(sorted(links)).encode())[:16]}"
        for word in source.words:
            data = path.parent / word
            if data.is_file():
                found[places.name(data)] = _digest(data.read_bytes())
    parsed.save()
    return dict(sorted(found.items()))


class _Places:
    """Where scripts and the package lie: below one root, or, once installed, apart."""

    def __init__(self, root: str | Path):
        self.root = Path(root).resolve()
        inside = (self.root / PACKAGE).is_dir()
        self.home = self.root if inside else Path(__file__).resolve().parents[2]

    def of(self, name: str | Path) -> Path:
        """A script or a module by its relative path."""
        path = (self.root / name).resolve()
        return path if path.exists() else self.home / name

    def name(self, path: Path) -> str:
        """The relative path."""
        base = self.root if path.is_relative_to(self.root) else self.home
        return path.relative_to(base).as_posix()


class _Source(NamedTuple):
    digest: str
    """Of the code without its imports inside the package."""
    links: list[list[str]]
    """Module, name taken from it (empty for the module itself) and name it is bound to."""
    words: list[str]
    """Strings that could be the name of a file."""
    runs: bool
    """Whether importing it does more than define functions, which only their callers run."""


class _ParsedFiles:
    """What parsing told of files, kept in a note from run to run.

    It is found by the bytes of a file, of this module, and the Python that parsed. A note that is
    damaged or cannot be written costs time, nothing else.
    """

    def __init__(self) -> None:
        self._reader = sys.version.encode() + Path(__file__).read_bytes()
        self._note = CACHE / "code.json"
        self._noted: dict[str, _Source] = {}
        with contextlib.suppress(TypeError, AttributeError):
            self._noted = {key: _Source(*told) for key, told in remembered(self._note).items()}
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

    def runs_code(self, path: Path) -> bool:
        """Whether a package on the way to a module does something when it is imported."""
        return self.source(path, path.stat().st_mtime_ns).runs

    def save(self) -> None:
        if not self._used.keys() <= self._noted.keys():
            self._noted = dict(self._used)
            with contextlib.suppress(OSError):
                remember(self._note, self._noted)


@functools.cache
def _parsed_files() -> _ParsedFiles:
    return _ParsedFiles()


def _parsed(code: bytes) -> _Source:
    tree = ast.parse(code)
    links = list(_links(tree))
    _drop_told_apart(tree)
    words = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _file_name(node.value)
    ]
    runs = not all(map(_is_plain_function, tree.body))
    return _Source(_digest(ast.unparse(tree).encode()), links, words, runs)


def _is_plain_function(statement: ast.stmt) -> bool:
    """A function without decorators and defaults, or nothing."""
    if not isinstance(statement, ast.FunctionDef):
        return isinstance(statement, ast.Pass)
    given = statement.args
    return not (statement.decorator_list or given.defaults or given.kw_defaults)


def _file_name(word: str) -> bool:
    stem, dot, suffix = word.rpartition(".")
    return bool(stem and dot and suffix.isalnum() and "/" not in word and "\n" not in word)


def _links(tree: ast.AST) -> Iterator[list[str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ([alias.name, "", ""] for alias in node.names if _inside(alias.name))
        elif _is_inner_import(node):
            yield from ([node.module, one.name, one.asname or one.name] for one in node.names)


def _inside(module: str) -> bool:
    return module.split(".")[0] == PACKAGE


def _is_inner_import(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and not node.level and _inside(node.module or "")


def _imported_files(root: Path, module: str, part: str) -> list[Path]:
    """The file an import leads to, and the packages on its way that hold code."""
    names = [*module.split("."), part] if part else module.split(".")
    file = _module_file(root, names) or _module_file(root, names[:-1])
    folders = [root.joinpath(*names[:count]) for count in range(1, len(names))]
    packages = [folder / "__init__.py" for folder in folders]
    return [*([file] if file else []), *(one for one in packages if one.is_file())]


def _module_file(root: Path, names: list[str]) -> Path | None:
    stem = root.joinpath(*names)
    files = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _drop_told_apart(tree: ast.AST) -> None:
    """Remove docstrings, bare strings that document fields, and imports inside the package."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
            kept = [
                statement
                for statement in body
                if not (_is_bare_string(statement) or _is_inner_import(statement))
            ]
            node.body = kept or [ast.Pass()]


def _is_bare_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
