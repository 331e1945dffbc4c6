"""Conditions that differ in depth, thoughts and operation only: heat maps and curves of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from cotsieve.report.facts.wording import layer_words, thought_words


def families(definitions: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """The conditions of a sweep that make a grid, grouped by everything they have in common.

    Each group has `operations`, `layers` and `thoughts` in order of appearance, and `cells`:
    (operation, layer, thoughts) as positions → condition. Only groups with at least two layers, or
    two choices of thoughts, and with four conditions, are grids.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, definition in definitions.items():
        if not definition or "operation" not in definition or definition.get("layer") is None:
            continue
        axes = ("operation", "layer", "thoughts")
        common = {key: value for key, value in definition.items() if key not in axes}
        group = groups.setdefault(
            repr(sorted(common.items())),
            {"common": common, "operations": [], "layers": [], "thoughts": [], "cells": []},
        )
        place = [
            _position(group["operations"], definition["operation"]),
            _position(group["layers"], definition["layer"]),
            _position(group["thoughts"], definition.get("thoughts", "all")),
        ]
        group["cells"].append([*place, name])
    return [group for group in groups.values() if _is_grid(group)]


def heat_maps(
    group: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One map per operation: rows are layers, columns choices of thoughts; `values` by condition.

    A grid over layers alone becomes one map, with the operations as columns.
    """
    operations, layers, thoughts = group["operations"], group["layers"], group["thoughts"]
    rows = [_layer(layer) for layer in layers]
    if len(thoughts) == 1:
        cells = [[None] * len(operations) for _ in layers]
        for operation, layer, _, name in group["cells"]:
            cells[layer][operation] = {"condition": name, **values[name]}
        about = thought_words(thoughts[0])
        return [{"title": about, "rows": rows, "columns": list(operations), "cells": cells}]
    maps = []
    for index, title in enumerate(operations):
        cells = [[None] * len(thoughts) for _ in layers]
        for operation, layer, chosen, name in group["cells"]:
            if operation == index:
                cells[layer][chosen] = {"condition": name, **values[name]}
        columns = [_short(choice) for choice in thoughts]
        maps.append({"title": title, "rows": rows, "columns": columns, "cells": cells})
    return maps


def curves(
    group: Mapping[str, Any],
    values: Mapping[str, Mapping[str, Any]],
    baseline: Mapping[str, Any],
    thoughts: int | None,
) -> list[dict[str, Any]]:
    """Accuracy against the number of thoughts ablated, from the first on: a panel per operation.

    A panel has `lines`, one per layer, of points {x, condition, value, low, high, ...} that start
    at the baseline. Choices of thoughts that are not the first k, or all of them, are left out.
    """
    counts = [_count(choice, thoughts) for choice in group["thoughts"]]
    if len({count for count in counts if count}) < 2:
        return []
    panels = []
    for index, operation in enumerate(group["operations"]):
        lines = []
        for row, layer in enumerate(group["layers"]):
            points = {0: {"x": 0, "condition": "baseline", **baseline}}
            for place in group["cells"]:
                if place[:2] == [index, row] and counts[place[2]]:
                    x = counts[place[2]]
                    points[x] = {"x": x, "condition": place[3], **values[place[3]]}
            lines.append({"name": _layer(layer), "points": [points[x] for x in sorted(points)]})
        panels.append({"title": operation, "lines": lines})
    return panels


def truncations(
    definitions: Mapping[str, Mapping[str, Any] | None],
    values: Mapping[str, Mapping[str, Any]],
    baseline: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Accuracy against the share of the written reasoning that is kept: one panel, or none."""
    points = [
        {"x": definition["fraction"], "condition": name, **values[name]}
        for name, definition in definitions.items()
        if definition and definition.get("fraction") is not None
    ]
    if len(points) < 2:
        return []
    forced = {name: (definition or {}).get("answer") for name, definition in definitions.items()}
    lines = []
    for answer, words in ((None, "free answer"), ("forced", "forced answer")):
        line = [point for point in points if forced[point["condition"]] == answer]
        if line:
            end = [{"x": 1.0, "condition": "baseline", **baseline}]
            whole = [] if any(point["x"] == 1.0 for point in line) else end
            lines.append({"name": words, "points": sorted(line + whole, key=lambda p: p["x"])})
    return [{"title": "reasoning kept", "lines": lines}]


def _is_grid(group: Mapping[str, Any]) -> bool:
    wide = max(len(group["layers"]), len(group["thoughts"])) > 1
    return wide and len(group["cells"]) >= 4


def _position(known: list[Any], value: Any) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)


def _layer(layer: Any) -> str:
    return layer if isinstance(layer, str) else layer_words(layer)


def _short(choice: Any) -> str:
    if choice == "all":
        return "all"
    if isinstance(choice, Mapping):
        return f"1–{choice['first']}" if choice["first"] > 1 else "1"
    return ",".join(str(number + 1) for number in choice)


def _count(choice: Any, thoughts: int | None) -> int | None:
    """How many thoughts a choice holds, where it is the first ones."""
    if choice == "all":
        return thoughts
    if isinstance(choice, Mapping):
        return choice["first"]
    numbers: Sequence[int] = sorted(choice)
    return len(numbers) if list(numbers) == list(range(len(numbers))) else None
