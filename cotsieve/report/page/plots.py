"""Plots of the page as HTML and SVG: real text, theme colours, readable without any script."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotsieve.report.facts.wording import VERDICT_WORDS, escaped, interval, percent, whole

Share = Mapping[str, Any]


def block(title: str, lead: str, body: str, files: str = "", kind: str = "") -> str:
    """A titled part of a section; `files` is the stem of its figure's files."""
    shown = ""
    if files:
        links = " · ".join(
            f'<a href="{files}.{suffix}">{suffix.upper()}</a>' for suffix in ("csv", "svg", "png")
        )
        shown = f'<p class="files">{links}</p>'
    text = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<div class="block {kind}"><h3>{title}</h3>{text}{body}{shown}</div>\n'


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1, caption: str = ""
) -> str:
    """A table; its first `words` columns are text, the others numbers. Cells may hold HTML."""
    kinds = ["t" if index < words else "n" for index in range(len(header))]
    head = "".join(
        f'<th scope="col" class="{kind}">{name}</th>'
        for name, kind in zip(header, kinds, strict=True)
    )
    body = ""
    for row in rows:
        cells = zip(row, kinds, header, strict=True)
        body += "<tr>" + "".join(
            f'<td class="{kind}" data-name="{name}">{cell}</td>' for cell, kind, name in cells
        )
        body += "</tr>\n"
    title = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(header[0])}">'
        f"<table>{title}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def share_rows(rows: Iterable[tuple[str, str, Sequence[tuple[str, Share]]]], marks: str) -> str:
    """Shares with their intervals on one axis from 0 to 100 %: a line per row.

    A row has a label (HTML), a note, and shares by series, the last of which is written out; the
    series are classes of the style sheet. `marks` is the legend, as HTML.
    """
    lines = ""
    for label, note, series in rows:
        drawn = "".join(_whisker(kind, found) for kind, found in series)
        last = series[-1][1]
        counted = f"{last['count']:,} of {last['total']:,} · {interval(last)}"
        lines += (
            f'<div class="row"><div class="label">{label}<small>{note}</small></div>'
            f'<div class="track" aria-hidden="true">{drawn}</div>'
            f'<div class="figure">{percent(last["value"])}'
            f"<small>{counted if last['total'] else 'of nothing'}</small>"
            "</div></div>\n"
        )
    return f'<div class="shares">{marks}{lines}{_axis((0, 25, 50, 75, 100), "%")}</div>'


def _axis(ticks: Sequence[float], unit: str) -> str:
    """The numbers below the tracks of rows, from 0 to the last tick."""
    spans = "".join(
        f'<span style="left:{100 * tick / ticks[-1]:.4g}%">{tick:,}</span>' for tick in ticks
    )
    return (
        '<div class="row axis" aria-hidden="true"><div></div>'
        f'<div class="ticks" style="--unit:\'{unit}\'">{spans}</div>'
        f'<div class="unit">{unit}</div></div>'
    )


def round_ticks(top: float) -> list[int]:
    """From 0 in at most five equal round steps to `top` or more; whole numbers."""
    size = 10 ** max(math.floor(math.log10(max(top, 1))) - 1, 0)
    steps = (size * factor for factor in (1, 2, 5, 10, 20, 50))
    step = next(step for step in steps if 5 * step >= top)
    return list(range(0, step * max(math.ceil(top / step), 1) + 1, step))


def _whisker(kind: str, found: Share) -> str:
    if found["value"] is None:
        return ""
    dot = f'<i class="dot {kind}" style="left:{100 * found["value"]:.2f}%"></i>'
    if found["low"] is None:
        return dot
    low, high = 100 * found["low"], 100 * found["high"]
    return f'<i class="span {kind}" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>{dot}'


def legend(series: Iterable[tuple[str, str]]) -> str:
    """Class of a series → what it shows."""
    items = "".join(f'<li><i class="dot {kind}"></i>{words}</li>' for kind, words in series)
    return f'<ul class="legend">{items}</ul>'


def composition(parts: Sequence[tuple[str, str, int]]) -> str:
    """A bar of all problems, cut into kinds: (class, words, count), with its legend."""
    total = sum(count for _, _, count in parts) or 1
    bar = "".join(
        f'<i class="{kind}" style="flex-grow:{count}"></i>' for kind, _, count in parts if count
    )
    items = "".join(
        f'<li><i class="swatch {kind}"></i><b>{count:,}</b> {words}'
        f" <small>{percent(count / total)}</small></li>"
        for kind, words, count in parts
        if count
    )
    return f'<div class="composition" aria-hidden="true">{bar}</div><ul class="legend">{items}</ul>'


def matrix(confusion: Mapping[str, Any]) -> str:
    """Verdicts at baseline (rows) against those under the ablation (columns)."""
    verdicts, counts = confusion["verdicts"], confusion["counts"]
    top = max([max(row) for row in counts], default=1) or 1
    head = "".join(f'<th scope="col">{VERDICT_WORDS[verdict]}</th>' for verdict in verdicts)
    body = ""
    for one, row in zip(verdicts, counts, strict=True):
        cells = "".join(
            _heat_cell(count / top, f"{count:,}", _broken(one, two))
            for two, count in zip(verdicts, row, strict=True)
        )
        body += (
            f'<tr><th scope="row">{VERDICT_WORDS[one]}</th>{cells}'
            f'<td class="sum">{sum(row):,}</td></tr>'
        )
    sums = "".join(f'<td class="sum">{sum(column):,}</td>' for column in zip(*counts, strict=True))
    return (
        '<table class="heat matrix"><thead>'
        f'<tr><td></td><th colspan="{len(verdicts)}" class="over">under the ablation</th></tr>'
        f'<tr><th class="over">at baseline</th>{head}<th class="sum">all</th></tr></thead>'
        f"<tbody>{body}<tr><th>all</th>{sums}"
        f'<td class="sum">{confusion["total"]:,}</td></tr></tbody></table>'
    )


def _broken(one: str, two: str) -> str:
    needed = one == "correct" and two in ("incorrect", "no_answer")
    return "needed" if needed else ""


def _heat_cell(value: float | None, text: str, kind: str = "", title: str = "") -> str:
    if value is None:
        return '<td class="empty"></td>'
    deep = " deep" if value > 0.55 else ""
    hint = f' title="{escaped(title)}"' if title else ""
    return f'<td class="{kind}{deep}" style="--v:{100 * value:.1f}%"{hint}>{text}</td>'


def heat_map(drawn: Mapping[str, Any], corner: str) -> str:
    """Shares by row and column; each cell says its interval in its title."""
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in drawn["columns"])
    body = ""
    for name, cells in zip(drawn["rows"], drawn["cells"], strict=True):
        shown = "".join(_share_cell(cell) for cell in cells)
        body += f'<tr><th scope="row">{escaped(name)}</th>{shown}</tr>'
    return (
        f'<table class="heat"><caption>{escaped(drawn["title"])}</caption>'
        f'<thead><tr><th class="over">{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _share_cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return '<td class="empty">–</td>'
    title = f"{cell['condition']}: {cell['count']} of {cell['total']}, {interval(cell)}"
    return _heat_cell(cell["value"], f"{100 * cell['value']:.0f}", title=title)


_WIDE, _HIGH, _LEFT, _TOP, _LOW = 330, 230, 34, 12, 34
_LETTER = 7
"""At least the width of a letter of a line's name."""


def line_panel(panel: Mapping[str, Any], axis: str) -> str:
    """Accuracy lines with their intervals, as SVG; x is a number, y a share from 0 to 1."""
    points = [point for line in panel["lines"] for point in line["points"]]
    low, high = min(point["x"] for point in points), max(point["x"] for point in points)
    names = max(len(line["name"]) for line in panel["lines"])
    right = _WIDE - 12 - _LETTER * max(names, 5)

    def x(value: float) -> float:
        return _LEFT + (value - low) / ((high - low) or 1) * (right - _LEFT)

    def y(value: float) -> float:
        return _TOP + (1 - value) * (_HIGH - _TOP - _LOW)

    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">'
        f"{100 * v:.0f}</text>"
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    grid += "".join(
        f'<text class="tick" x="{x(v):.1f}" y="{_HIGH - _LOW + 17}" text-anchor="middle">'
        f"{v:g}</text>"
        for v in sorted({point["x"] for point in points})
    )
    lines = "".join(_line(index, line, x, y) for index, line in enumerate(panel["lines"]))
    labels = _end_labels(panel["lines"], y, x(high) + 9)
    title = escaped(panel["title"])
    return (
        f'<figure class="panel"><figcaption>{title}</figcaption>'
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="Accuracy, {title}">'
        f"{grid}{lines}{labels}"
        f'<text class="tick" x="{(_LEFT + right) / 2}" y="{_HIGH - 2}" '
        f'text-anchor="middle">{axis}</text></svg></figure>'
    )


def _line(index: int, line: Mapping[str, Any], x, y) -> str:
    told = [point for point in line["points"] if point["value"] is not None]
    path = " ".join(f"{x(point['x']):.1f},{y(point['value']):.1f}" for point in told)
    band = [f"{x(p['x']):.1f},{y(p['high']):.1f}" for p in told]
    band += [f"{x(p['x']):.1f},{y(p['low']):.1f}" for p in reversed(told)]
    dots = "".join(
        f'<circle r="3.2" cx="{x(p["x"]):.1f}" cy="{y(p["value"]):.1f}">'
        f"<title>{escaped(p['condition'])}: {percent(p['value'])} ({interval(p)})</title></circle>"
        for p in told
    )
    return (
        f'<g class="series s{index % 6}"><polygon points="{" ".join(band)}"/>'
        f'<polyline points="{path}"/>{dots}</g>'
    )


def _end_labels(lines: Sequence[Mapping[str, Any]], y, x: float) -> str:
    """Names of the lines at their ends, pushed apart where they would overlap."""
    ends = [
        [y(line["points"][-1]["value"] or 0), index, line["name"]]
        for index, line in enumerate(lines)
    ]
    last = float("-inf")
    for end in sorted(ends, key=lambda item: (item[0], item[1])):
        end[0] = last = max(end[0], last + 13)
    over = max(last - (_HIGH - _LOW), 0)
    return "".join(
        f'<text class="name s{index % 6}" x="{x:.1f}" y="{at - over + 4:.1f}">'
        f"{escaped(name)}</text>"
        for at, index, name in ends
    )


def length_rows(rows: Sequence[Mapping[str, Any]], most: float) -> str:
    """Tokens written per condition: 5 to 95 % as a line, the middle half as a bar, the median.

    `most` is the largest number of tokens to show, so that several plots have one scale.
    """
    ticks = round_ticks(most)
    top = ticks[-1]
    lines = ""
    for row in rows:
        p5, p25, p50, p75, p95 = (100 * row[f"p{q}"] / top for q in (5, 25, 50, 75, 95))
        cut = f" · {row['cut']:,} cut off" if row["cut"] else ""
        lines += (
            f'<div class="row"><div class="label"><code>{escaped(row["condition"])}</code></div>'
            f'<div class="track" aria-hidden="true">'
            f'<i class="thin" style="left:{p5:.2f}%;width:{p95 - p5:.2f}%"></i>'
            f'<i class="box" style="left:{p25:.2f}%;width:{max(p75 - p25, 0.5):.2f}%"></i>'
            f'<i class="median" style="left:{p50:.2f}%"></i></div>'
            f'<div class="figure">{whole(row["p50"])}<small>mean {row["mean"]:,.1f} · '
            f"95 % ≤ {whole(row['p95'])}{cut}</small></div></div>\n"
        )
    grid = f'style="--grid:{100 / (len(ticks) - 1):.4g}%"'
    return f'<div class="shares lengths" {grid}>{lines}{_axis(ticks, "tokens")}</div>'


def target_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Per stratum: problems drawn as a bar, its target as a tick, and what there was to draw."""
    top = max((max(row["target"] or 0, row["drawn"]) for row in rows), default=1) or 1
    lines = ""
    for row in rows:
        old, new = 100 * row["existing"] / top, 100 * row["new"] / top
        target = row["target"]
        tick = (
            "" if target is None else f'<i class="tick" style="left:{100 * target / top:.2f}%"></i>'
        )
        goal = "no target" if target is None else f"of {target:,}"
        short = f' · <b class="short">{row["missing"]:,} short</b>' if row["missing"] else ""
        lines += (
            f'<div class="row"><div class="label">{escaped(row["stratum"])}</div>'
            f'<div class="track plain" aria-hidden="true">'
            f'<i class="bar old" style="left:0;width:{old:.2f}%"></i>'
            f'<i class="bar" style="left:{old:.2f}%;width:{new:.2f}%"></i>{tick}</div>'
            f'<div class="figure">{row["drawn"]:,} <span class="soft">{goal}</span>'
            f"<small>{row['needed']:,} new to draw from{short}</small></div></div>\n"
        )
    return f'<div class="shares targets">{lines}</div>'
