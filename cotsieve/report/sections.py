"""The sections of the page about a model, each a piece of HTML; empty where there is nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotsieve.report import plots
from cotsieve.report.wording import VERDICT_WORDS, escaped, interval, joined, percent, whole
from cotsieve.rollouts.schema import BASELINE

Facts = Mapping[str, Any]
_LONG = 120
"""Characters of a value that is shown as it is."""


def headline(facts: Facts) -> str:
    """The finding about a model in one number, one sentence, and a bar of all problems."""
    found, needs = facts["all"], facts["all"]["needs_cot_of_correct"]
    both = found["baseline"]["count"] - needs["count"]
    gained = found["ablated"]["count"] - both
    graded = found["problems"] - found["failed"]
    parts = [
        ("needed", "need their chain of thought", needs["count"]),
        ("both", "right either way", both),
        ("gained", "right only when ablated", gained),
        ("neither", "wrong either way", graded - found["baseline"]["count"] - gained),
        ("failed", "failed", found["failed"]),
    ]
    return (
        f'<article class="headline"><h2><a href="#{anchor(facts)}">'
        f"{escaped(facts['model'])}</a></h2>"
        f'<p class="big">{percent(needs["value"])}</p>'
        f"<p>of its <b>{needs['total']:,}</b> right answers break when its chain of thought is "
        f"ablated (<code>{escaped(facts['condition'])}</code>: {escaped(facts['words'])}). "
        f'<span class="soft">95 % interval {interval(needs)}.</span></p>'
        f"{plots.composition(parts)}{_controls_sentence(facts)}</article>"
    )


def _controls_sentence(facts: Facts) -> str:
    sweep = next((item for item in facts["sweeps"] if item["sweep"] == facts["sweep"]), None)
    skipped = (BASELINE, facts["condition"])
    others = [
        item for item in (sweep or {"conditions": []})["conditions"]
        if item["condition"] not in skipped and item["broken"]["value"] is not None
    ]  # fmt: skip
    if not others:
        return (
            '<p class="note">No other condition was run beside it: the effect of the ablation has '
            "nothing to be compared with.</p>"
        )
    others = sorted(others, key=lambda item: item["broken"]["value"])
    if len(others) > 4:
        low, high = others[0], others[-1]
        words = f"between {_breaks(low)} and {_breaks(high)}"
        return f'<p class="note">The {len(others)} other conditions break {words}.</p>'
    return f'<p class="note">Beside it, {joined([_sentence(item) for item in others])}.</p>'


def _breaks(item: Facts) -> str:
    return f"{percent(item['broken']['value'])} (<code>{escaped(item['condition'])}</code>)"


def _sentence(item: Facts) -> str:
    return f"<code>{escaped(item['condition'])}</code> breaks {percent(item['broken']['value'])}"


def model_section(facts: Facts, figures: str) -> str:
    """Everything about a model; `figures` is the folder of its figures, seen from the page."""
    parts = [
        _rates(facts, figures),
        _outcome(facts, figures),
        *[_sweep(facts, sweep, figures) for sweep in facts["sweeps"]],
        _reasoning(facts, figures),
        _lengths(facts, figures),
        _graders(facts),
        _failures(facts),
    ]
    name = escaped(facts["model"])
    return (
        f'<section class="model" id="{anchor(facts)}" aria-labelledby="{anchor(facts)}-title">'
        f'<h2 id="{anchor(facts)}-title">{name}</h2>{"".join(parts)}</section>'
    )


def anchor(facts: Facts) -> str:
    return f"model-{escaped(facts['model'])}"


def _block(title: str, lead: str, body: str, files: str = "", kind: str = "") -> str:
    shown = ""
    if files:
        links = " · ".join(
            f'<a href="{files}.{suffix}">{suffix.upper()}</a>' for suffix in ("csv", "svg", "png")
        )
        shown = f'<p class="files">{links}</p>'
    text = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<div class="block {kind}"><h3>{title}</h3>{text}{body}{shown}</div>\n'


_SERIES = (
    ("baseline", "right at baseline"),
    ("ablated", "right when ablated"),
    ("needs", "needs its chain of thought"),
)


def _rates(facts: Facts, figures: str) -> str:
    groups = facts["strata"] + [facts["all"] | {"group": "all problems"}]
    if len(facts["sources"]) > 1:
        groups += facts["sources"]
    rows = [
        (
            escaped(group["group"]),
            f"{group['problems']:,} problems" + _and_failed(group["failed"]),
            [
                ("baseline", group["baseline"]),
                ("ablated", group["ablated"]),
                ("needs", group["needs_cot"]),
            ],
        )
        for group in groups
    ]
    lead = (
        "Share of problems the model gets right only through its chain of thought, by stratum, "
        "with 95 % Wilson intervals. Failed problems are in no share."
    )
    body = plots.share_rows(rows, plots.legend(_SERIES))
    return _block("Who needs the chain of thought", lead, body, f"{figures}/rates")


def _and_failed(count: int) -> str:
    return f", {count:,} failed" if count else ""


def _outcome(facts: Facts, figures: str) -> str:
    confusion = _block(
        "Baseline against ablated",
        "Every problem once. Outlined: right at baseline and not any more.",
        plots.matrix(facts["confusion"]),
        f"{figures}/confusion",
    )
    drawn = _block(
        "Targets and what was drawn",
        "Problems in the dataset; the tick is the target of the stratum.",
        plots.target_rows(facts["drawn"]),
        f"{figures}/drawn",
    )
    return f'<div class="pair">{confusion}{drawn}</div>'


def _sweep(facts: Facts, sweep: Facts, figures: str) -> str:
    if not sweep["problems"] or len(sweep["conditions"]) < 2:
        return ""
    name, stem = escaped(sweep["sweep"]), f"{figures}/{escaped(sweep['sweep'])}"
    parts = ""
    for index, group in enumerate(sweep["heat"], 1):
        maps = "".join(plots.heat_map(item, "layer") for item in group["maps"])
        lead = (
            "Share of right answers that break (%), by layer and thoughts ablated, for each "
            "operation." + (f" {escaped(group['common'])}." if group["common"] else "")
        )
        body = f'<div class="maps">{maps}</div>'
        parts += _block("Where it hurts", lead, body, f"{stem}-heat-{index}", "wide")
    for index, group in enumerate(sweep["curves"], 1):
        panels = "".join(plots.line_panel(item, "thoughts ablated") for item in group["panels"])
        lead = "Accuracy (%) against the number of thoughts ablated, from the first on."
        body = f'<div class="panels">{panels}</div>'
        parts += _block("How many thoughts", lead, body, f"{stem}-curves-{index}", "wide")
    if sweep["truncations"]:
        panels = "".join(plots.line_panel(item, "share kept") for item in sweep["truncations"])
        lead = "Accuracy (%) against the share of the written reasoning that is kept."
        body = f'<div class="panels">{panels}</div>'
        parts += _block("How much reasoning", lead, body, f"{stem}-truncation")
    return _conditions(facts, sweep, name, f"{stem}-conditions") + parts


def _conditions(facts: Facts, sweep: Facts, name: str, stem: str) -> str:
    decides = facts["condition"] if facts["sweep"] == sweep["sweep"] else None
    rows = [
        (
            f"<code>{escaped(item['condition'])}</code>",
            escaped(item["words"]) + (" · <b>decides</b>" if item["condition"] == decides else ""),
            [("baseline", item["correct"]), ("needs", item["broken"])],
        )
        for item in sweep["conditions"]
        if item["condition"] != BASELINE
    ]
    marks = plots.legend([("baseline", "right"), ("needs", "broken, of those right at baseline")])
    lead = (
        f"Every condition of the sweep on the {sweep['problems']:,} problems that failed under "
        "none of them. A control that breaks as many answers takes the meaning out of an ablation."
    )
    body = plots.share_rows(rows, marks)
    if len(rows) > 12:
        body = f"<details><summary>All {len(rows)} conditions</summary>{body}</details>"
    if sweep["passes"]:
        body += _passes(sweep["passes"])
    return _block(f"Conditions of <i>{name}</i>", lead, body, stem)


def _passes(passes: Sequence[Facts]) -> str:
    rows = [
        (f"<code>{escaped(item['condition'])}</code>", item["samples"], percent(item["rate"]))
        for item in passes
    ]
    return plots.table(("condition", "samples", "mean pass rate"), rows)


def _lengths(facts: Facts, figures: str) -> str:
    if not facts["lengths"]:
        return ""
    lead = "Tokens written per answer: median, middle half, and 5 to 95 %."
    body = ""
    for sweep in dict.fromkeys(row["sweep"] for row in facts["lengths"]):
        rows = [row for row in facts["lengths"] if row["sweep"] == sweep]
        found = plots.length_rows(rows)
        title = f"{len(rows)} conditions of <i>{escaped(sweep)}</i>"
        folded = f"<details><summary>{title}</summary>{found}</details>"
        body += folded if len(rows) > 12 else found
    return _block("How much was written", lead, body, f"{figures}/lengths")


def _reasoning(facts: Facts, figures: str) -> str:
    if not facts["effects"]:
        return ""
    header = (
        "ablation", "problems", "with", "without", "right → wrong", "wrong → right", "paired t, p",
        "McNemar p", "thought", "answer", "answer without",
    )  # fmt: skip
    rows = []
    for entry in facts["effects"]:
        found = entry["everything"]
        rows.append(
            (
                f"<code>{escaped(entry['condition'])}</code><small>{escaped(entry['words'])}</small>",
                *_compared(found),
                whole(entry["think_tokens"]),
                whole(entry["answer_tokens"]),
                whole(entry["answer_tokens_without"]),
            )
        )
    lead = (
        "The same problems with the model's own reasoning and under each ablation of it; no answer "
        "is a wrong one. Lengths are mean tokens of the reasoning and of what follows it."
    )
    body = plots.table(header, rows) + _reasoning_groups(facts["effects"])
    return _block("What reasoning does", lead, body, f"{figures}/reasoning", "wide")


def _compared(found: Facts) -> tuple[str, ...]:
    t = "–" if found["t"] is None else f"{found['t']:.2f}, {found['t_p_shown']}"
    return (
        f"{found['problems']:,}",
        percent(found["with"]["value"]),
        percent(found["without"]["value"]),
        f"{found['correct_to_wrong']:,}",
        f"{found['wrong_to_correct']:,}",
        escaped(t),
        escaped(found["mcnemar_p_shown"]),
    )


def _reasoning_groups(effects: Iterable[Facts]) -> str:
    header = ("group", "problems", "with", "without", "right → wrong", "wrong → right",
              "paired t, p", "McNemar p")  # fmt: skip
    rows = [
        (escaped(group["group"]), *_compared(group))
        for entry in effects
        for group in entry["groups"]
    ]
    return plots.table(header, rows) if rows else ""


def _graders(facts: Facts) -> str:
    found = facts["disagreements"]
    if found is None:
        return ""
    names = joined([f"<i>{escaped(name)}</i>" for name in found["graders"]] or ["the graders"])
    lead = (
        f"Baseline and deciding ablation, {found['compared']:,} answers graded in every way: "
        f"on {found['answers']:,} of them the verdicts differ"
        + (f" ({names})." if rows_of(found) else ".")
    )
    if not found["answers"]:
        return _block("Graders", lead, "")
    counts = plots.table(
        (*map(escaped, found["graders"]), "answers"),
        [
            (*(_verdict(verdict) for verdict in item["verdicts"]), f"{item['count']:,}")
            for item in found["patterns"]
        ],
        words=len(found["graders"]),
    )
    examples = plots.table(
        ("problem", "condition", "reference", *map(escaped, found["graders"])),
        [_example(item, found["graders"]) for item in found["examples"]],
        words=3 + len(found["graders"]),
    )
    more = f"<details><summary>{len(found['examples'])} of them</summary>{examples}</details>"
    return _block("Graders", lead, counts + more)


def rows_of(found: Facts) -> bool:
    return bool(found["graders"])


def _example(item: Facts, graders: Sequence[str]) -> tuple[str, ...]:
    read = [
        f"{_verdict(verdict)} <code>{escaped(prediction or '')}</code>"
        for verdict, prediction in (item["graders"][grader] for grader in graders)
    ]
    name = escaped(item["problem_id"])
    where = (f'<a href="#p={name}">{name}</a>', f"<code>{escaped(item['condition'])}</code>")
    return (*where, f"<code>{escaped(item['answer'])}</code>", *read)


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{VERDICT_WORDS[verdict]}</span>'


def _failures(facts: Facts) -> str:
    if not facts["failures"]:
        return _block("Failures", "Every rollout was made and graded; none failed.", "")
    rows = [
        (
            escaped(item["sweep"]),
            f"<code>{escaped(item['condition'])}</code>",
            escaped(item["error"]),
            ", ".join(f'<a href="#p={escaped(i)}">{escaped(i)}</a>' for i in item["problem_ids"])
            + (" …" if item["count"] > len(item["problem_ids"]) else ""),
            f"{item['count']:,}",
        )
        for item in facts["failures"]
    ]
    total = sum(item["count"] for item in facts["failures"])
    lead = f"{total:,} rollouts failed. They count neither as right nor as wrong."
    header = ("sweep", "condition", "reason", "problems", "rollouts")
    return _block("Failures", lead, plots.table(header, rows, words=4), kind="wide")


def provenance(facts: Facts) -> str:
    """What made the results: problems, settings, and for each model its files and versions."""
    excluded = facts["exclusions"]
    about = {
        "sources": facts["sources"],
        "unusable problems": facts["unusable"],
        **{key.replace("_", " "): value for key, value in excluded.items()},
        **facts["settings"],
    }
    parts = _definitions(about)
    for model in facts["models"]:
        parts += f"<h3>{escaped(model['model'])}</h3>" + _definitions(model["provenance"])
    return parts


def _definitions(values: Mapping[str, Any]) -> str:
    items = "".join(
        f"<dt>{escaped(key)}</dt><dd>{_plain_value(value)}</dd>" for key, value in values.items()
    )
    return f'<dl class="provenance">{items}</dl>'


def _plain_value(value: Any) -> str:
    """A value as code; what is long is folded away, mapping by mapping."""
    if isinstance(value, str | int | float):
        return f"<code>{escaped(value)}</code>"
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _LONG or not isinstance(value, Mapping):
        return f"<code>{escaped(text)}</code>" if value else "–"
    rows = [(escaped(key), _plain_value(item)) for key, item in value.items()]
    entries = "1 entry" if len(rows) == 1 else f"{len(rows)} entries"
    found = plots.table(("entry", "value"), rows, words=2)
    return f"<details><summary>{entries}</summary>{found}</details>"
