"""A digest of the code a script can reach: what a rule's results depend on besides their inputs.

Comments, docstrings and layout do not count. Imports inside the package are followed wherever they
stand; a data file counts when a reached module names it as a string and it lies in that module's
folder. Paths enter relative to the root, so a moved checkout keeps its fingerprints.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "cotsieve"


def reached_files(
    script: str | Path, root: str | Path, without: tuple[str, ...] = ()
) -> dict[str, str]:
    """Relative path → digest of every file the script's results depend on, in path order.

    Files whose relative path starts with one of `without` are neither counted nor followed.
    """
    root = Path(root).resolve()
    found: dict[str, str] = {}
    queue = [(root / script).resolve()]
    while queue:
        path = queue.pop()
        name = path.relative_to(root).as_posix()
        if name in found or name.startswith(without):
            continue
        source = _parsed(path, path.stat().st_mtime_ns)
        found[name] = source.digest
        queue += [
            file for file in map(functools.partial(_module_file, root), source.imports) if file
        ]
        for word in source.words:
            data = path.parent / word
            if data.is_file():
                found[data.relative_to(root).as_posix()] = _bytes_digest(data)
    return dict(sorted(found.items()))


class _Source:
    def __init__(self, path: Path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imports = tuple(_imports(tree))
        _drop_docstrings(tree)
        self.digest = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:32]
        self.words = tuple(
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _file_name(node.value)
        )


@functools.cache
def _parsed(path: Path, _modified: int) -> _Source:
    return _Source(path)


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


def _bytes_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
