"""What one file of code tells: a digest of it, what it imports, the files it may read, and whether
it does anything that keeps others from knowing what it runs.

Comments, docstrings and layout do not count, nor where the modules it imports lie.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "cotsieve"
UNJUDGED = (f"{PACKAGE}.ground.checkout", f"{PACKAGE}.ground.parsed_code")
"""The module that may look above its own folder, and this one, which has all these words in it."""

LOADERS = {
    *("__import__", "import_module", "run_module", "resolve_name"),
    *("run_path", "exec", "eval", "compile", "execfile", "get_data", "load_source"),
    *("spec_from_file_location", "spec_from_loader", "module_from_spec", "exec_module"),
    *("load_module", "SourceFileLoader", "SourcelessFileLoader", "ExtensionFileLoader"),
    *("zipimporter", "__loader__", "__spec__", "__path__", "meta_path", "path_hooks"),
    "__builtins__",
}
"""Names by which code is run that no import statement names."""
FOLLOWED = {"__import__", "import_module", "run_module", "resolve_name"}
"""Those that may be called with the plain name of a module, which is then followed."""
AS_METHODS = {"exec", "eval", "compile", "execfile"}
"""What has other meanings as a method, as in `model.eval()`."""
MODULES = {"importlib", "runpy", "pkgutil"}
"""Modules that may not get another name."""
HIDING = ("builtins", "importlib.resources", "imp", "zipimport")
"""Modules that may not be used at all."""

READER = sys.version.encode() + Path(__file__).read_bytes()
"""What decides how code is read."""
_WORD = re.compile(r"[^\s\0]{1,255}")
_MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)+(:[\w.]+)?")
_CODE_IN_TEXT = re.compile(rf"\b(import|from)\s+{PACKAGE}\b")

Link = tuple[int, str, str, str]
"""Level, module, name taken from it (empty for the module itself), name it is bound to."""


class Source(NamedTuple):
    """What is remembered of a file."""

    digest: str
    """Of the code without its imports inside the package."""
    links: list[Link]
    words: list[str]
    """Strings that could be the name of a file."""
    reads_its_folder: bool
    """Whether it may read any file beside it or below."""
    runs: bool
    """Whether importing it does more than define functions, which only their callers run."""
    fault: str
    """Why nobody can tell what it runs, with the line; empty where that can be told."""


def parsed(code: bytes, module: str) -> Source:
    """What the code of a file tells; `module` is its dotted name.

    Raises SyntaxError where it is no Python.
    """
    tree = ast.parse(code)
    links, faults = list(_links(tree)), list(_hidden_imports(tree))
    _drop_told_apart(tree)
    texts = [text.value for text in _texts(tree)]
    named = [call.args[0].value for call in _calls(tree) if _names_a_module(call)]
    named += filter(_MODULE_NAME.fullmatch, texts)
    links += [(0, text.partition(":")[0], "", "") for text in named]
    words = {text for text in texts if _WORD.fullmatch(text)}
    faults += _faults(tree)
    line, what = min(() if module in UNJUDGED else faults, default=(0, ""))
    return Source(
        hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:32],
        links,
        sorted(words),
        _reads_its_folder(tree),
        not all(map(_only_defines, tree.body)),
        f"line {line}: {what}" if what else "",
    )


def _links(tree: ast.AST) -> Iterator[Link]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, one.name, "", "") for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (
                (node.level, module, one.name, one.asname or one.name) for one in node.names
            )


def _texts(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def _faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and kind of everything that keeps the code from being followed."""
    plain = {id(call.func) for call in _calls(tree) if _names_a_module(call)}
    for node in ast.walk(tree):
        if _loader(node) and id(node) not in plain:
            yield node.lineno, f"{_loader(node)} runs code that no import names"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
            yield node.lineno, "sys.path decides what an import means"
        elif isinstance(node, ast.Attribute) and node.attr == "__file__":
            yield node.lineno, "a file is named by way of another module"
    for text in _texts(tree):
        if text.value in LOADERS - AS_METHODS or _CODE_IN_TEXT.search(text.value):
            yield text.lineno, "a text is run as code or names what runs it"
    if _names_itself(tree):
        yield from ((line, "a file is named by way of a folder above") for line in _climbs(tree))


def _hidden_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, what) for what in _hidden(node))


def _hidden(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for one in node.names:
        inside = isinstance(node, ast.ImportFrom) and (node.level or _inside(node.module))
        if one.name == "*" and inside:
            yield "import * does not say what it imports"
        module = one.name if isinstance(node, ast.Import) else f"{node.module}.{one.name}"
        renamed = one.asname not in (None, one.name)
        if renamed and (module in MODULES or one.name in LOADERS):
            yield f"{one.name} gets another name"
        if f"{module}.".startswith(tuple(f"{name}." for name in HIDING)):
            yield f"{module} leads to code or files that no import names"


def _loader(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name) and node.id in LOADERS:
        return node.id
    if isinstance(node, ast.Attribute) and node.attr in LOADERS:
        method = node.attr in AS_METHODS and ast.unparse(node.value) not in ("builtins", "runpy")
        return None if method else node.attr
    return None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _names_a_module(call: ast.Call) -> bool:
    """Whether a call says in plain text which module it loads, without a package to start from."""
    plain = len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.Constant)
    return _loader(call.func) in FOLLOWED and plain and isinstance(call.args[0].value, str)


def _names_itself(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree))


def _climbs(tree: ast.AST) -> Iterator[int]:
    """Lines that lead above the folder of a file."""
    return (node.lineno for node in ast.walk(tree) if _leads_up(node))


def _leads_up(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "parents" or (node.attr == "parent" and not _of_file(node.value))
    if isinstance(node, ast.Call):
        return ast.unparse(node).count("dirname(") > 1
    return isinstance(node, ast.Constant) and ".." in str(node.value).split("/")


def _of_file(node: ast.AST) -> bool:
    """Whether this is the path of the file itself."""
    written = ast.unparse(node).removeprefix("pathlib.").removesuffix(".resolve()")
    return written == "Path(__file__)"


def _reads_its_folder(tree: ast.AST) -> bool:
    """Whether it names itself otherwise than to name one file beside it in plain text."""
    named = sum(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree))
    beside = sum(
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "with_name"
        and _of_file(call.func.value)
        and isinstance(call.args[0], ast.Constant)
        for call in _calls(tree)
        if call.args
    )
    return named > beside


def _inside(module: str | None) -> bool:
    return (module or "").split(".")[0] == PACKAGE


def _is_inner_import(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and bool(node.level or _inside(node.module))


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


def _only_defines(statement: ast.stmt) -> bool:
    """A function without decorators and defaults, or nothing; docstrings are dropped by then."""
    if not isinstance(statement, ast.FunctionDef):
        return isinstance(statement, ast.Pass)
    given = statement.args
    return not (statement.decorator_list or given.defaults or given.kw_defaults)


def _is_bare_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
