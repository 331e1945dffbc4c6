"""Study files that their loader takes, but nobody can mean: it keeps the last of two equal keys,
and follows anchors wherever they lead."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from cotsieve.ground.faults import BadInput, Finding, bad

MOST_VALUES, MOST_DEPTH = 100_000, 50
"""Of a study file with its anchors written out; a few lines of anchors can stand for billions."""


def refuse_repeated_keys(path: str | Path) -> None:
    """Raise BadInput for every key that stands twice in a mapping of a YAML or JSON file, and for
    anchors that hold themselves or stand for too much.

    A file that is neither is left to the loader's own complaint.
    """
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
