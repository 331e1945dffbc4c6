"""The page on which traces are read sentence by sentence, as one file that loads nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotsieve.report.facts.wording import escaped
from cotsieve.report.page import plots
from cotsieve.report.page.frame import STYLE, compressed, filled, source_hash

PAGE = Path(__file__).with_name("anchors.html")
SCRIPT = Path(__file__).with_name("anchors.js")

Facts = Mapping[str, Any]


def anchors_page(study: str, model: str, facts: Facts) -> str:
    """The text of the page of a model; equal facts give equal bytes."""
    script = SCRIPT.read_text(encoding="utf-8")
    return filled(
        PAGE.read_text(encoding="utf-8"),
        {
            "title": escaped(f"{study} · {model}"),
            "standfirst": _standfirst(facts),
            "style": STYLE.read_text(encoding="utf-8"),
            "hashes": source_hash(script),
            "tables": _tables(facts),
            "data": compressed({name: facts[name] for name in ("measures", "traces")}),
            "script": script,
        },
    )


def _standfirst(facts: Facts) -> str:
    sentences = sum(len(trace["sentences"]) for trace in facts["traces"])
    return (
        f"{len(facts['traces']):,} traces, {sentences:,} sentences. Each was left out and the rest "
        f"written anew many times: of {facts['tested']:,} that could be compared, "
        f"{facts['significant']:,} moved the answers more than by chance (5 % false discoveries)."
    )


def _tables(facts: Facts) -> str:
    parts = []
    for key, title, lead in (
        ("tags", "By what the sentence does", _labelled(facts)),
        ("positions", "Along the trace", "In tenths of the sentences, from the first on."),
    ):
        if facts[key]:
            lead += " Accuracy gained in points, mean over traces with its 95 % interval."
            parts.append(plots.block(title, lead, _means(facts[key])))
    names = list(facts["measures"].values())
    rows = [
        (escaped(name), *(_number(value) for value in values))
        for name, values in zip(names, facts["correlations"], strict=True)
    ]
    header = ("", *(escaped(name) for name in names))
    lead = "Spearman's rank correlation over all sentences."
    parts.append(plots.block("How the measures agree", lead, plots.table(header, rows)))
    return f'<section class="model">{"".join(parts)}</section>'


def _labelled(facts: Facts) -> str:
    """Who says what a sentence does."""
    return f"First tag of each sentence. Labels: {escaped('; '.join(facts['labellers']))}."


def _means(groups: Sequence[Facts]) -> str:
    rows = [
        (
            escaped(str(group["group"]).replace("_", " ")),
            f"{100 * group['mean']:+.1f}",
            "–"
            if group["low"] is None
            else f"{100 * group['low']:+.1f} to {100 * group['high']:+.1f}",
            f"{group['traces']:,}",
        )
        for group in groups
    ]
    return plots.table(("", "points", "interval", "traces"), rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
