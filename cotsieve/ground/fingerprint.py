"""A digest of the code a script can reach: what a rule's results depend on besides their inputs.

Comments, docstrings and layout do not count, nor where a file lies: an import counts by what it
binds and by the content of the file it leads to, so a module that is moved and imported from its
new place is the same code. Imports are followed wherever they stand, as Python resolves them; so is
the plain name of a module in a text. A data file counts when a reached module names it in a text,
and so does all that lies beside a module which names itself. Code that cannot be followed is
refused. What parsing told of a file is remembered by its bytes, since every call of the workflow
asks for all of them.
"""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from cotsieve.ground.checkout import ROOT
from cotsieve.ground.faults import bad
from cotsieve.ground.files import CACHE, remember, remembered
from cotsieve.ground.parsed_code import PACKAGE, READER, Source, parsed

SUFFIXES = (*EXTENSION_SUFFIXES, ".py", ".pyc")
"""Of what Python imports, in the order in which it looks."""
_MEND = "Import it by a plain statement, and name files as Path(__file__).with_name(...)."


def reached_files(
    script: str | Path, root: str | Path, without: tuple[str, ...] = ()
) -> dict[str, str]:
    """Relative path → digest of every file the script's results depend on, in path order.

    The digest of a module has two parts, with a dot between: of its own code, and of what it
    imports. Files whose relative path starts with one of `without` are neither counted nor
    followed. Raises BadInput for code that cannot be followed.
    """
    known, tree = _parsed_files(), _Tree(os.path.realpath(root), str(script))
    found: dict[str, str] = {}
    queue = [str(script)]
    while queue:
        name = queue.pop()
        if name in found or name.startswith(without):
            continue
        if not name.endswith(".py"):
            found[name] = _digest(tree.read(name))
            continue
        source = known.source(tree.path(name), _dotted(name))
        if source.fault:
            line, _, what = source.fault.partition(": ")
            raise bad(f"{tree.path(name)} {line}", what, _MEND)
        links = []
        for level, module, part, bound in source.links:
            files = tree.imported(name, level, module, part)
            # A package on the way that only defines functions does nothing when it is imported.
            queue += [file for file in files if file == files[0] or known.runs(tree, file)]
            if files and files[0].endswith(".py") and not files[0].startswith(without):
                target = known.source(tree.path(files[0]), _dotted(files[0]))
                links.append([target.digest, part, bound])
        found[name] = f"{source.digest[:16]}.{_digest(json.dumps(sorted(links)).encode())[:16]}"
        queue += tree.data(name, source)
    known.save()
    return dict(sorted(found.items()))


def imported_libraries(files: Iterable[str], root: str | Path) -> set[str]:
    """Top-level names of all that some files, such as `reached_files` finds, import absolutely."""
    known, tree = _parsed_files(), _Tree(os.path.realpath(root), "")
    modules = (name for name in files if name.endswith(".py"))
    sources = (known.source(tree.path(name), _dotted(name)) for name in modules)
    links = (link for source in sources for link in source.links)
    return {module.partition(".")[0] for level, module, _, _ in links if not level}


class _Tree:
    """The files below a folder, as Python finds them when it runs a script there; looked at once.

    All paths are relative to the folder.
    """

    def __init__(self, root: str, script: str):
        inside = os.path.isdir(f"{root}/{PACKAGE}")
        self._root, self._home = root, root if inside else str(ROOT)
        self._script_folder = os.path.dirname(script)
        self._entries: dict[str, frozenset[str]] = {}
        self._found: dict[tuple[str, ...], list[str]] = {}
        self._data: dict[str, list[str]] = {}
        near = [*self._entries_of(""), *self._entries_of(self._script_folder)]
        self._near = {PACKAGE, *(entry.partition(".")[0] for entry in near)}

    def path(self, name: str) -> str:
        return f"{self._base(name)}/{name}"

    def _base(self, name: str) -> str:
        """Where a file lies: the package is apart from the scripts where it is installed."""
        return self._home if name.partition("/")[0] == PACKAGE else self._root

    def read(self, name: str) -> bytes:
        return Path(self.path(name)).read_bytes()

    def imported(self, importer: str, level: int, module: str, part: str) -> list[str]:
        """The file an import leads to, and the packages on its way; none for libraries."""
        names = [*module.split("."), part] if part else module.split(".")
        names = [name for name in names if name]
        if level:
            folder = importer.split("/")[:-level]
            return self._resolved((*folder, *names)) if folder else []
        if names[0] not in self._near:  # a library
            return []
        found = self._resolved(tuple(names))
        if found or names[0] == PACKAGE or not self._script_folder:
            return found
        return self._resolved((*self._script_folder.split("/"), *names))

    def _resolved(self, names: tuple[str, ...]) -> list[str]:
        if names not in self._found:
            ways = (self._module("/".join(names[:count])) for count in range(len(names), 0, -1))
            self._found[names] = list(dict.fromkeys(way for way in ways if way))
        return self._found[names]

    def _module(self, stem: str) -> str | None:
        """A package comes before a module of its name."""
        folder, _, name = stem.rpartition("/")
        for place, base in ((stem, "__init__"), (folder, name)):
            entries = self._entries_of(place)
            for suffix in SUFFIXES:
                if base + suffix in entries:
                    return f"{place}/{base}{suffix}" if place else base + suffix
        return None

    def _entries_of(self, folder: str) -> frozenset[str]:
        if folder not in self._entries:
            try:
                self._entries[folder] = frozenset(os.listdir(self.path(folder)))
            except OSError:
                self._entries[folder] = frozenset()
        return self._entries[folder]

    def data(self, module: str, source: Source) -> list[str]:
        """The files that are no code and that a module may read."""
        folder = os.path.dirname(module)
        beside = self._data_below(folder) if folder else []
        if source.reads_its_folder:
            return beside
        words = {os.path.normpath(f"{folder}/{word}") for word in source.words if beside}
        return [name for name in beside if name in words]

    def _data_below(self, folder: str) -> list[str]:
        if folder not in self._data:
            self._data[folder] = [
                f"{place}/{file}"[len(self._base(folder)) + 1 :]
                for place, _, files in os.walk(self.path(folder))
                for file in files
                if not file.endswith((".py", ".pyc"))
            ]
        return self._data[folder]


class _ParsedFiles:
    """What parsing told of files, kept in a note from run to run.

    It is found by the bytes of a file, of the code that parses, and the Python that parsed. A note
    that is damaged or cannot be written costs time, nothing else.
    """

    def __init__(self) -> None:
        self._note = CACHE / "code.json"
        self._noted: dict[str, Source] = {}
        with contextlib.suppress(TypeError, AttributeError):
            self._noted = {key: Source(*told) for key, told in remembered(self._note).items()}
        self._used: dict[str, Source] = {}
        self._at: dict[tuple[str, int, int], Source] = {}

    def source(self, path: str, module: str) -> Source:
        """A file that is the same in this process while its times and size are."""
        stat = os.stat(path)
        at = (path, stat.st_mtime_ns, stat.st_ctime_ns)
        if at not in self._at:
            code = Path(path).read_bytes()
            key = _digest(b"\0".join((READER, module.encode(), code)))
            self._used[key] = self._noted.get(key) or parsed(code, module)
            self._at[at] = self._used[key]
        return self._at[at]

    def runs(self, tree: "_Tree", name: str) -> bool:
        """Whether a module does anything when it is imported."""
        return not name.endswith(".py") or self.source(tree.path(name), _dotted(name)).runs

    def save(self) -> None:
        if not self._used.keys() <= self._noted.keys():
            self._noted = dict(self._used)
            with contextlib.suppress(OSError):
                remember(self._note, self._noted)


@functools.cache
def _parsed_files() -> _ParsedFiles:
    return _ParsedFiles()


def _dotted(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
