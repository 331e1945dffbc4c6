"""The sections of the page about a model, each a piece of HTML; empty where there is nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from cotsieve.findings.necessity.controls import HOW_TO_READ
from cotsieve.findings.paired import Difference, shown_p
from cotsieve.report.facts.wording import escaped, interval, joined, percent
from cotsieve.report.page import plots
from cotsieve.report.page.answer_sections import failures, graders, reasoning
from cotsieve.report.page.plots import block
from cotsieve.rollouts.schema import BASELINE

Facts = Mapping[str, Any]


def headline(facts: Facts) -> str:
    """The finding about a model in one number, one sentence, and a bar of all problems."""
    return (
        f'<article class="headline"><h2><a href="#{anchor(facts)}">'
        f"{escaped(facts['model'])}</a></h2>{_finding(facts)}</article>"
    )


def _finding(facts: Facts) -> str:
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
    ablation = f"<code>{escaped(facts['condition'])}</code>: {escaped(facts['words'])}"
    if not needs["total"]:
        return _nothing_right(graded, ablation) + plots.composition(parts) + _NOTHING_RIGHT
    return (
        f'<p class="{"big none" if found["net"]["doubt"] else "big"}">{percent(needs["value"])}</p>'
        f"<p>of its <b>{needs['total']:,}</b> right answers break when its chain of thought is "
        f"ablated ({ablation}). "
        f'<span class="soft">95 % interval {interval(needs)}; '
        f"{percent(found['needs_cot']['value'])} of all {graded:,} problems graded.</span></p>"
        f"{_balance(found['net'])}{plots.composition(parts)}{_controls_sentence(facts)}"
    )


def _balance(net: Facts) -> str:
    """What the ablation does on balance, and a warning where that is little or nothing."""
    doubt = f'<p class="warning">{escaped(net["doubt"])}</p>' if net["doubt"] else ""
    return f'<p class="small">On balance, {escaped(net["balance"])}.</p>{doubt}'


_NOTHING_RIGHT = (
    '<p class="note">What it wrote is in the <a href="#explorer">explorer</a>. A prompt style, '
    "LoRA alpha or grader that does not fit the model looks like this too.</p>"
)


def _nothing_right(graded: int, ablation: str) -> str:
    if not graded:
        return (
            '<p class="big none">no result</p><p>None of its problems could be run and graded both '
            f"at baseline and under the ablation ({ablation}).</p>"
        )
    return (
        f'<p class="big none">0 of {graded:,}</p><p>problems solved with its chain of thought '
        "intact. Without a right answer that could break, nothing can be said of its ablation "
        f"({ablation}).</p>"
    )


def _controls_sentence(facts: Facts) -> str:
    sweep = next((item for item in facts["sweeps"] if item["sweep"] == facts["sweep"]), None)
    skipped = (BASELINE, facts["condition"])
    others = [
        item for item in (sweep or {"conditions": []})["conditions"]
        if item["condition"] not in skipped
    ]  # fmt: skip
    if not others:
        return (
            '<p class="note">No other condition was run beside it: the effect of the ablation has '
            "nothing to be compared with.</p>"
        )
    if not sweep["right"]:
        return (
            '<p class="note">The other conditions have nothing to be compared on: every problem '
            "that is right at baseline failed under one of them.</p>"
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
        reasoning(facts, figures),
        _lengths(facts, figures),
        graders(facts),
        failures(facts),
    ]
    name = escaped(facts["model"])
    return (
        f'<section class="model" id="{anchor(facts)}" aria-labelledby="{anchor(facts)}-title">'
        f'<h2 id="{anchor(facts)}-title">{name}</h2>{"".join(parts)}</section>'
    )


def anchor(facts: Facts) -> str:
    return f"model-{escaped(facts['model'])}"


_SERIES = (
    ("baseline", "right at baseline, of all graded"),
    ("ablated", "right when ablated, of all graded"),
    ("needs", "needs its chain of thought, of those right at baseline"),
)


def _rates(facts: Facts, figures: str) -> str:
    groups = facts["strata"] + [facts["all"] | {"group": "all problems"}]
    if len(facts["sources"]) > 1:
        groups += facts["sources"]
    rows = [
        (
            escaped(group["group"]),
            f"{group['problems']:,} problems{_and_failed(group['failed'])} · needs it: "
            f"{percent(group['needs_cot']['value'])} of all graded",
            [
                ("baseline", group["baseline"]),
                ("ablated", group["ablated"]),
                ("needs", group["needs_cot_of_correct"]),
            ],
        )
        for group in groups
    ]
    lead = (
        "Share of all graded problems that are right at baseline, and under "
        f"“{escaped(facts['condition'])}”; and of those right at baseline, the share that is right "
        "at baseline and not under the ablation, which is the number on the right. By stratum, "
        "with 95 % Wilson intervals. Failed problems are in no share."
    )
    if facts["samples"] > 1:
        lead += f" Right means: in at least half of {facts['samples']} samples."
    body = plots.share_rows(rows, plots.legend(_SERIES))
    return block("Who needs the chain of thought", lead, body, f"{figures}/rates")


def _and_failed(count: int) -> str:
    return f", {count:,} failed" if count else ""


def _outcome(facts: Facts, figures: str) -> str:
    confusion = block(
        "Baseline against ablated",
        "Every problem once. Outlined: right at baseline and not any more.",
        plots.matrix(facts["confusion"]),
        f"{figures}/confusion",
    )
    share = "" if facts["total"] is None else f", its share of {facts['total']:,} in all"
    drawn = facts["drawn"] and block(
        "Targets and what was drawn",
        f"Problems in the dataset; the tick is the target of the stratum{share}.",
        plots.target_rows(facts["drawn"]),
        f"{figures}/drawn",
    )
    return f'<div class="pair">{confusion}{drawn or ""}</div>'


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
        parts += block("Where it hurts", lead, body, f"{stem}-heat-{index}", "wide")
    for index, group in enumerate(sweep["curves"], 1):
        panels = "".join(plots.line_panel(item, "thoughts ablated") for item in group["panels"])
        lead = "Accuracy (%) against the number of thoughts ablated, from the first on."
        body = f'<div class="panels">{panels}</div>'
        parts += block("How many thoughts", lead, body, f"{stem}-curves-{index}", "wide")
    if sweep["truncations"]:
        panels = "".join(plots.line_panel(item, "share kept") for item in sweep["truncations"])
        lead = (
            "Accuracy (%) against the share of the written reasoning that is kept. Where no "
            "condition keeps all of it, the baseline stands at 1."
        )
        body = f'<div class="panels">{panels}</div>'
        parts += block("How much reasoning", lead, body, f"{stem}-truncation")
    return _conditions(facts, sweep, name, f"{stem}-conditions") + parts


def _conditions(facts: Facts, sweep: Facts, name: str, stem: str) -> str:
    decides = facts["condition"] if facts["sweep"] == sweep["sweep"] else None
    series = [("baseline", "correct", "right")]
    lead = (
        f"Every condition of the sweep on the {sweep['problems']:,} problems that failed under "
        "none of them. "
    )
    if sweep["right"]:
        series.append(("needs", "broken", "broken, of those right at baseline"))
        lead += HOW_TO_READ if len(sweep["conditions"]) > 2 else ""
    else:
        lead += "None of these is right at baseline, so no answer could break."
    rows = [
        (
            f"<code>{escaped(item['condition'])}</code>",
            escaped(item["words"])
            + (" · <b>decides</b>" if item["condition"] == decides else "")
            + f"<br>{escaped(_turned(item))}",
            [(kind, item[measure]) for kind, measure, _ in series],
        )
        for item in sweep["conditions"]
        if item["condition"] != BASELINE
    ]
    marks = plots.legend([(kind, words) for kind, _, words in series])
    body = plots.share_rows(rows, marks)
    if len(rows) > 12:
        body = f"<details><summary>All {len(rows)} conditions</summary>{body}</details>"
    if sweep["passes"]:
        body += _passes(sweep["passes"])
    return block(f"Conditions of <i>{name}</i>", lead, body, stem)


def _turned(item: Facts) -> str:
    """The answers that turn against the baseline, and those that follow an altered statement."""
    net, followed = item["net"], item["followed"]
    if net["change"] is None:
        return ""
    change = Difference(**net["change"])
    told = f"{net['won']:,} right only under it, {change} points, p {shown_p(net['p'])}"
    if followed is None:
        return told
    return f"{told}; {percent(followed['value'])} of {followed['total']:,} follow the altered text"


def _passes(passes: Sequence[Facts]) -> str:
    rows = [
        (f"<code>{escaped(item['condition'])}</code>", item["samples"], percent(item["rate"]))
        for item in passes
    ]
    return plots.table(("condition", "samples", "mean pass rate"), rows)


def _thoughts_ended(facts: Facts) -> str:
    """Of a model that writes its reasoning: how many thoughts came to an answer."""
    found = next((row for row in facts["lengths"] if row["condition"] == BASELINE), None)
    if facts["family"] != "reasoning" or found is None:
        return ""
    why = "" if found["ended"] else ": the closing tag never came; look whether it is the model's"
    return f" {found['ended']:,} of {found['rows']:,} thoughts ended{why}."


def _lengths(facts: Facts, figures: str) -> str:
    if not facts["lengths"]:
        return ""
    lead = "Tokens written per answer: median, middle half, and 5 to 95 %."
    body = ""
    sweeps = list(dict.fromkeys(row["sweep"] for row in facts["lengths"]))
    if len(sweeps) > 1:
        lead += " The baseline is the same in every sweep and stands once."
    lead += _thoughts_ended(facts)
    most = max(row["p95"] for row in facts["lengths"])
    for sweep in sweeps:
        rows = [row for row in facts["lengths"] if row["sweep"] == sweep]
        found, name = plots.length_rows(rows, most), f"<code>{escaped(sweep)}</code>"
        if len(rows) > 12:
            title = f"{len(rows)} conditions of {name}"
            found = f"<details><summary>{title}</summary>{found}</details>"
        elif len(sweeps) > 1:
            found = f'<p class="sweep">Sweep {name}</p>{found}'
        body += found
    return block("How much was written", lead, body, f"{figures}/lengths")
