"""A study file as plain values, or why it is none, in one message that helps to mend it.

Snakemake, which reads the file by itself, meets one that is missing or broken with a traceback. And
study files that the loader takes, but nobody can mean, are refused: it keeps the last of two equal
keys, and follows anchors wherever they lead.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cotsieve.ground.faults import BadInput, Finding, bad

MEND = "config/README.md says what a study file holds."
MOST_BYTES = 200_000


def study_values(path: str | Path) -> dict[str, Any]:
    """The plain values of a study file, JSON or YAML as Snakemake takes them.

    Raises BadInput where there is no such file, and for one that is neither, holds a key twice, or
    is no mapping of keys.
    """
    text = _text(Path(path))
    refuse_repeated_keys(path)
    values = _loaded(Path(path), text)
    if not isinstance(values, dict):
        raise bad(path, "it is not a mapping of keys", MEND)
    return values


def origin_of(files: Sequence[str | Path], config: Mapping[str, Any]) -> str:
    """What messages call a study: the file that all its values come from, or `config`.

    They may also come from several files, from the command line or from another workflow.
    """
    with suppress(BadInput):  # told as what it is, not here
        if len(files) == 1 and study_values(files[0]) == config:
            return short_name(files[0])
    return "config"


def short_name(path: str | Path) -> str:
    """A path as it is seen from the working directory, where it lies below that."""
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _text(path: Path) -> str:
    refuse_no_study(path)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise bad(path, "there is no such file", _meant(path)) from None
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror})", "Give a YAML file.") from None
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start})"
        raise bad(path, what, "Save it as UTF-8.") from None


def refuse_no_study(path: str | Path) -> None:
    """Raise BadInput for a pipe or device, which could be read without end, and for a large file,
    which the reader of YAML would be at for minutes."""
    path = Path(path)
    if not path.is_file():
        if path.exists():
            raise bad(path, "it is a folder, a pipe or a device, not a file", "Give a YAML file.")
        return
    size = path.stat().st_size
    if size > MOST_BYTES:
        what = f"it has {size:,} bytes; a study file may have {MOST_BYTES:,}"
        raise bad(path, what, f"Leave out what is not meant; {MEND}")


def _meant(path: Path) -> str:
    folder = path.parent
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"Did you mean {folder / close[0]}?" if close else f"Correct the path; {MEND}"


def _loaded(path: Path, text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        mend = "Mend that line or the one before: brackets, quotes, colons, indentation by blanks."
        raise bad(f"{path}{line}", f"cannot be read as YAML ({error.problem})", mend) from None
    except (yaml.YAMLError, ValueError) as error:
        what = f"cannot be read as YAML ({str(error).splitlines()[0]})"
        raise bad(path, what, f"Correct the text; {MEND}") from None


MOST_VALUES, MOST_DEPTH = 100_000, 50
"""Of a study file with its anchors written out; a few lines of anchors can stand for billions."""


def refuse_repeated_keys(path: str | Path) -> None:
    """Raise BadInput for every key that stands twice in a mapping of a YAML or JSON file, and for
    anchors that hold themselves or stand for too much.

    A file that is neither is left to the loader's own complaint.
    """
    refuse_no_study(path)
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        values = _values(root, {}, 0)
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return
    except RecursionError:
        what = f"it is nested more than {MOST_DEPTH} deep, or an anchor holds itself"
        raise bad(path, what, "Write the values out.") from None
    if values > MOST_VALUES:
        what = f"its anchors stand for {values:.3g} values"
        raise bad(path, what, "Write out those that are meant.")
    findings = list(_repeated(str(path), root, ()))
    if findings:
        raise BadInput(findings)


def _values(node: yaml.Node | None, known: dict[int, int], depth: int) -> int:
    """How many values a node holds with all anchors written out."""
    if depth > MOST_DEPTH:
        raise RecursionError
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        pairs = isinstance(node, yaml.MappingNode)
        inner = [part for pair in node.value for part in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_values(part, known, depth + 1) for part in inner)
    return known[id(node)]


def _repeated(path: str, node: yaml.Node | None, steps: tuple[str, ...]) -> Iterator[Finding]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated(path, item, (*steps, str(index)))
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, value in node.value:
        here = (*steps, str(key.value))
        earlier = first.setdefault((key.tag, str(key.value)), key)
        if earlier is not key:
            lines = f"{earlier.start_mark.line + 1} and {key.start_mark.line + 1}"
            what = f"the key stands there twice, on lines {lines}"
            yield Finding(f"{path}: {'.'.join(here)}", what, "Keep one of the two.")
        yield from _repeated(path, value, here)
