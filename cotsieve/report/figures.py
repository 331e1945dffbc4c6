"""Figures as PNG and SVG, with the rows behind each as CSV; equal rows give equal bytes."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotsieve.ground.files import write_text
from cotsieve.ground.sheets import csv_text
from cotsieve.report.facts.figure_data import FigureData
from cotsieve.report.facts.wording import VERDICT_WORDS

Rows = Sequence[Mapping[str, Any]]

INK, SOFT, RULE = "#22252a", "#686c73", "#e2dfd5"
COLOURS = {
    "baseline": "#9aa7b1", "ablated": "#d9a05b", "needs_cot_of_correct": "#b8432f",
    "correct": "#9aa7b1", "broken": "#b8432f", "with": "#3f8f86", "without": "#d9a05b",
}  # fmt: skip
NAMES = {
    "baseline": "right at baseline, of all", "ablated": "right when ablated, of all",
    "needs_cot_of_correct": "needs its chain of thought, of right at baseline",
    "correct": "right", "broken": "broken, of those right at baseline",
    "with": "with reasoning", "without": "under the ablation",
}  # fmt: skip
LINES = ("#1f5f8b", "#b8432f", "#2f7f76", "#7a6bb0", "#b07a1c", "#6a6e75")
_STYLE = {
    "font.size": 9, "font.family": "DejaVu Sans", "axes.edgecolor": SOFT, "text.color": INK,
    "axes.labelcolor": SOFT, "xtick.color": SOFT, "ytick.color": INK, "axes.grid": False,
    "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "cotsieve",
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "figure.facecolor": "white", "svg.fonttype": "none",
    "text.parse_math": False,  # names of strata and conditions are text, dollar signs and all
}  # fmt: skip
_MOST_ROWS = 80
"""A figure of more rows than this cannot be read; its CSV has them all."""
_LONGEST_NAME = 60


def write_figures(folder: str | Path, figures: Iterable[FigureData]) -> None:
    """Write `name.csv`, `name.svg` and `name.png` of every figure into the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        write_text(folder / f"{figure.name}.csv", as_csv(figure.rows))
        with matplotlib.rc_context(_STYLE):
            _draw(figure, folder / figure.name)


def _draw(figure: FigureData, path: Path) -> None:
    rows = [_drawable(row) for row in figure.rows[: _most(figure)]]
    try:
        _save(_DRAWN[figure.kind](rows), figure.title, path)
    except Exception as error:  # whatever cannot be drawn, the page and the rows are there
        why = f"{type(error).__name__}: {error}"[:200]
        note = "the figure %s is left empty (%s)"
        logging.getLogger("cotsieve").warning(note, figure.name, why)
        _save(_left_empty(), figure.title, path)


def _drawable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose texts have a place in a figure: short, and without what cannot be seen."""
    return {key: _name(value) if isinstance(value, str) else value for key, value in row.items()}


def _name(text: str) -> str:
    seen = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return seen if len(seen) <= _LONGEST_NAME else f"{seen[: _LONGEST_NAME - 1]}…"


def _save(drawn: Figure, title: str, path: Path) -> None:
    drawn.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    drawn.savefig(f"{path}.svg", metadata={"Date": None, "Creator": None})
    drawn.savefig(f"{path}.png", dpi=160, metadata={"Software": None})


def _left_empty() -> Figure:
    figure, (axes,) = _figure(6.5, 1.6)
    axes.axis("off")
    axes.text(0, 0.5, "This figure could not be drawn; its rows are in the CSV file.")
    return figure


def as_csv(rows: Rows) -> str:
    """Rows as CSV; a missing value is an empty field, and shares keep all their digits."""
    return csv_text(list(dict.fromkeys(key for row in rows for key in row)), rows)


def _most(figure: FigureData) -> int | None:
    if figure.kind in ("heat", "curves"):  # as many as the conditions of a grid
        return None
    return _MOST_ROWS * 3 if figure.kind in ("shares", "conditions") else _MOST_ROWS


def _figure(width: float, height: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=panels > 1)
    return figure, list(axes[0])


def _whiskers(rows: Rows, label: str, measures: Sequence[str]) -> Figure:
    names = list(dict.fromkeys(row[label] for row in rows))
    figure, (axes,) = _figure(7.5, 1.3 + 0.42 * len(names))
    for index, measure in enumerate(measures):
        found = [row for row in rows if row["measure"] == measure and row["value"] is not None]
        if not found:
            continue
        at = [names.index(row[label]) + 0.22 * (index - (len(measures) - 1) / 2) for row in found]
        values = [100 * row["value"] for row in found]
        low = [100 * max(row["value"] - _bound(row, "low"), 0) for row in found]
        high = [100 * max(_bound(row, "high") - row["value"], 0) for row in found]
        axes.errorbar(
            values, at, xerr=[low, high], fmt="o", ms=4.5, lw=2, alpha=0.95,
            color=COLOURS[measure], label=NAMES[measure],
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5), xlabel="% (95 % Wilson intervals)")
    axes.xaxis.grid(True, color=RULE)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def _bound(row: Mapping[str, Any], name: str) -> float:
    """An end of the interval; of what is so by definition the value itself."""
    return row["value"] if row[name] is None else row[name]


def _shares(rows: Rows) -> Figure:
    return _whiskers(rows, "group", ("baseline", "ablated", "needs_cot_of_correct"))


def _conditions(rows: Rows) -> Figure:
    return _whiskers(rows, "condition", ("correct", "broken"))


def _matrix(rows: Rows) -> Figure:
    names = list(dict.fromkeys(row["row"] for row in rows))
    counts = {(row["row"], row["column"]): row["count"] for row in rows}
    words = [VERDICT_WORDS[name] for name in names]
    figure, (axes,) = _figure(1.6 + 1.1 * len(names), 1.6 + 0.8 * len(names))
    grid = [[counts[one, two] for two in names] for one in names]
    _cells(axes, grid, "Blues", max(max(line) for line in grid) or 1, "{:,}")
    axes.set_xticks(range(len(names)), words)
    axes.set_yticks(range(len(names)), words)
    axes.set(xlabel="under the ablation", ylabel="at baseline")
    return figure


def _cells(axes: Axes, grid: Sequence[Sequence[float]], colours: str, top: float, text: str):
    axes.imshow(grid, cmap=colours, vmin=0, vmax=1.15 * top, aspect="auto")
    for y, line in enumerate(grid):
        for x, value in enumerate(line):
            if value == value:  # not a number where there is no condition
                ink = "white" if value > 0.6 * top else INK
                axes.text(x, y, text.format(value), ha="center", va="center", color=ink)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _targets(rows: Rows) -> Figure:
    figure, (axes,) = _figure(6.5, 1.2 + 0.36 * len(rows))
    names = [row["stratum"] for row in rows]
    old, new = [row["existing"] for row in rows], [row["new"] for row in rows]
    axes.barh(names, old, color=COLOURS["baseline"], height=0.55, label="known before")
    axes.barh(names, new, left=old, color=COLOURS["with"], height=0.55, label="new")
    for place, row in enumerate(rows):
        if row["target"] is not None:
            axes.plot([row["target"]] * 2, [place - 0.4, place + 0.4], color=INK, lw=2)
    axes.invert_yaxis()
    axes.set_xlabel("problems (the tick is the target)")
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8)
    return figure


def _heat(rows: Rows) -> Figure:
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    lines = list(dict.fromkeys(row["row"] for row in rows))
    columns = list(dict.fromkeys(row["column"] for row in rows))
    wide = 1.2 + 0.55 * len(columns) * len(panels) + 0.4 * len(panels)
    figure, axes = _figure(max(wide, 4), 1.5 + 0.45 * len(lines), len(panels))
    values = {(row["panel"], row["row"], row["column"]): row["value"] for row in rows}
    for panel, place in zip(panels, axes, strict=True):
        shares = [[values.get((panel, line, column)) for column in columns] for line in lines]
        grid = [[float("nan") if v is None else 100 * v for v in line] for line in shares]
        _cells(place, grid, "OrRd", 100, "{:.0f}")
        place.set_xticks(range(len(columns)), columns)
        place.set_yticks(range(len(lines)), lines)
        place.set_title(panel)
    return figure


def _curves(rows: Rows) -> Figure:
    axis = "reasoning kept" if isinstance(rows[-1]["x"], float) else "thoughts ablated"
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    names = list(dict.fromkeys(row["line"] for row in rows))
    figure, axes = _figure(1.2 + 2.7 * len(panels), 3.4, len(panels))
    for panel, place in zip(panels, axes, strict=True):
        for index, name in enumerate(names):
            found = [
                row
                for row in rows
                if (row["panel"], row["line"]) == (panel, name) and row["value"] is not None
            ]
            xs, colour = [row["x"] for row in found], LINES[index % len(LINES)]
            low, high = ([100 * row[key] for row in found] for key in ("low", "high"))
            place.fill_between(xs, low, high, color=colour, alpha=0.12, lw=0)
            values = [100 * row["value"] for row in found]
            label = name if panel == panels[0] else None
            place.plot(xs, values, "o-", ms=4, color=colour, label=label)
        place.set(ylim=(0, 100), title=panel)
        place.set_xticks(sorted({row["x"] for row in rows}))
        place.set_xlabel(axis)
        place.yaxis.grid(True, color=RULE)
    axes[0].set_ylabel("accuracy, %")
    figure.legend(loc="outside lower left", ncols=6, frameon=False, fontsize=8)
    return figure


def _lengths(rows: Rows) -> Figure:
    rows = rows[:_MOST_ROWS]
    figure, (axes,) = _figure(7, 1.2 + 0.3 * len(rows))
    for place, row in enumerate(rows):
        axes.plot([row["p5"], row["p95"]], [place] * 2, color=SOFT, lw=1.5)
        axes.plot([row["p25"], row["p75"]], [place] * 2, color=COLOURS["baseline"], lw=7)
        axes.plot([row["p50"]], [place], "|", color=INK, ms=11, mew=2.5)
    several = len({row["sweep"] for row in rows}) > 1
    names = [row["condition"] + (f" · {row['sweep']}" if several else "") for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlim=(0, None), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel("tokens: median, middle half, 5 to 95 %")
    return figure


def _reasoning(rows: Rows) -> Figure:
    return _effects([row for row in rows if row["group"] == "all problems"], "condition")


def _reasoning_groups(rows: Rows) -> Figure:
    return _effects(rows, "group")


def _effects(rows: Rows, label: str) -> Figure:
    """Left accuracy with and without reasoning, right how many answers turn, and which way."""
    names = [f"{row[label]}\n{row['problems']:,} problems" for row in rows]
    figure, (shares, turned) = _figure(9, 1.4 + 0.5 * len(rows), 2)
    for side, up in (("with", -0.15), ("without", 0.15)):
        told = [(at, row) for at, row in enumerate(rows) if row[f"{side}_value"] is not None]
        values = [100 * row[f"{side}_value"] for _, row in told]
        bars = [
            [100 * max(sign * (row[f"{side}_{end}"] - row[f"{side}_value"]), 0) for _, row in told]
            for sign, end in ((-1, "low"), (1, "high"))
        ]
        shares.errorbar(
            values, [at + up for at, _ in told], xerr=bars, fmt="o", ms=4.5, lw=2,
            color=COLOURS[side], label=NAMES[side],
        )  # fmt: skip
    shares.set_yticks(range(len(rows)), names)
    shares.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
    shares.set_xlabel("accuracy, % (95 % Wilson intervals)")
    for key, sign, side, words in (
        ("correct_to_wrong", 1, "with", "right → wrong without it"),
        ("wrong_to_correct", -1, "without", "wrong → right without it"),
    ):
        counts = [sign * row[key] for row in rows]
        drawn = turned.barh(range(len(rows)), counts, height=0.5, color=COLOURS[side], label=words)
        turned.bar_label(drawn, [f"{abs(count):,}" for count in counts], padding=3, fontsize=8)
    for at, row in enumerate(rows):
        turned.annotate(
            f"p {row['mcnemar_p_shown']}", (1, at), xycoords=("axes fraction", "data"),
            ha="left", va="center", fontsize=8, color=SOFT,
        )  # fmt: skip
    turned.axvline(0, color=SOFT, lw=1)
    turned.margins(x=0.2)
    turned.set_xlabel("answers that turn (p: McNemar, exact)")
    turned.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    shares.xaxis.grid(True, color=RULE)
    figure.legend(loc="outside lower left", ncols=4, frameon=False, fontsize=8)
    return figure


_DRAWN: Mapping[str, Callable[[Rows], Figure]] = {
    "shares": _shares, "conditions": _conditions, "matrix": _matrix, "targets": _targets,
    "heat": _heat, "curves": _curves, "lengths": _lengths, "reasoning": _reasoning,
    "reasoning-groups": _reasoning_groups,
}  # fmt: skip
