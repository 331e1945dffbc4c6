"""The rows behind every figure: what stands in its CSV, and what is drawn from it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cotsieve.rollouts.schema import BASELINE

Facts = Mapping[str, Any]


class FigureData(NamedTuple):
    """A figure of a model."""

    name: str
    """The stem of its files."""
    kind: str
    """How it is drawn: shares, matrix, targets, heat, curves, lengths, reasoning,
    reasoning-groups."""
    title: str
    rows: list[dict[str, Any]]


def figure_data(facts: Facts) -> list[FigureData]:
    """Every figure of a model, in the order of the page; those without data are left out."""
    found = [
        FigureData("rates", "shares", "Needs its chain of thought, by stratum", _rates(facts)),
        FigureData("confusion", "matrix", "Baseline against ablated", _confusion(facts)),
        FigureData("drawn", "targets", "Targets and what was drawn", [*facts["drawn"]]),
        *[figure for sweep in facts["sweeps"] for figure in _sweep(sweep)],
        *_effects(facts),
        FigureData("lengths", "lengths", "Tokens written", [*facts["lengths"]]),
    ]
    return [figure for figure in found if figure.rows]


def _rates(facts: Facts) -> list[dict[str, Any]]:
    series = ("baseline", "ablated", "needs_cot", "needs_cot_of_correct")
    groups = [("stratum", group) for group in facts["strata"]]
    groups += [("all", facts["all"])] + [("source", group) for group in facts["sources"]]
    return [
        {"by": by, "group": group["group"], "measure": measure, **group[measure]}
        for by, group in groups
        for measure in series
    ]


def _confusion(facts: Facts) -> list[dict[str, Any]]:
    verdicts, counts = facts["confusion"]["verdicts"], facts["confusion"]["counts"]
    return [
        {"row": one, "column": two, "count": count}
        for one, row in zip(verdicts, counts, strict=True)
        for two, count in zip(verdicts, row, strict=True)
    ]


def _sweep(sweep: Facts) -> Iterator[FigureData]:
    name = sweep["sweep"]
    rows = [
        {"condition": item["condition"], "words": item["words"], "measure": measure} | item[measure]
        for item in sweep["conditions"]
        for measure in ("correct", "broken", "broken_of_needed")
        if item["condition"] != BASELINE or measure == "correct"
    ]
    if sweep["problems"] and len(sweep["conditions"]) > 1:
        yield FigureData(f"{name}-conditions", "conditions", f"Conditions of {name}", rows)
    for index, group in enumerate(sweep["heat"], 1):
        cells = [
            {"panel": item["title"], "row": row, "column": column, **cell}
            for item in group["maps"]
            for row, line in zip(item["rows"], item["cells"], strict=True)
            for column, cell in zip(item["columns"], line, strict=True)
            if cell
        ]
        title = "Right answers that break, by layer and thoughts"
        yield FigureData(f"{name}-heat-{index}", "heat", title, cells)
    for index, group in enumerate(sweep["curves"], 1):
        title = "Accuracy against thoughts ablated"
        yield FigureData(f"{name}-curves-{index}", "curves", title, _points(group["panels"]))
    if sweep["truncations"]:
        title = "Accuracy against reasoning kept"
        yield FigureData(f"{name}-truncation", "curves", title, _points(sweep["truncations"]))


def _points(panels: list[Facts]) -> list[dict[str, Any]]:
    return [
        {"panel": panel["title"], "line": line["name"], **point}
        for panel in panels
        for line in panel["lines"]
        for point in line["points"]
    ]


def _effects(facts: Facts) -> Iterator[FigureData]:
    rows = _reasoning(facts)
    yield FigureData("reasoning", "reasoning", "What reasoning does", rows)
    deciding = [row for row in rows if "by" in row]
    title = "What reasoning does, by level and subject"
    yield FigureData("reasoning-groups", "reasoning-groups", title, deciding)


def _reasoning(facts: Facts) -> list[dict[str, Any]]:
    rows = []
    for entry in facts["effects"]:
        shared = {"sweep": entry["sweep"], "condition": entry["condition"]}
        groups = [
            {"group": "all problems", **entry["everything"]},
            {"group": "valid in both", **entry["common"]},
            *entry["groups"],
        ]
        lengths = {
            key: entry[key] for key in ("think_tokens", "answer_tokens", "answer_tokens_without")
        }
        for group in groups:
            flat = {key: value for key, value in group.items() if not isinstance(value, Mapping)}
            for side in ("with", "without"):
                flat |= {f"{side}_{key}": value for key, value in group[side].items()}
            rows.append(shared | flat | lengths)
    return rows
