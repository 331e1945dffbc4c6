"""Keys that stand twice in a study file; its loader would silently keep the last of them."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from cotsieve.ground.faults import BadInput, Finding


def refuse_repeated_keys(path: str | Path) -> None:
    """Raise BadInput for every key that stands twice in a mapping of a YAML or JSON file.

    A file that is neither is left to the loader's own complaint.
    """
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return
    findings = list(_repeated(str(path), root, ()))
    if findings:
        raise BadInput(findings)


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
