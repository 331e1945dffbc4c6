"""Sections about single answers: with and without reasoning, by which grader, and why none."""

from collections.abc import Mapping, Sequence
from typing import Any

from cotsieve.findings.paired import Difference
from cotsieve.report.facts.wording import VERDICT_WORDS, escaped, joined, percent, whole
from cotsieve.report.page import plots
from cotsieve.report.page.plots import block

Facts = Mapping[str, Any]

_MOST_KINDS = 40
"""Kinds of failures that are listed; those with most rollouts come first."""
_SHOWN = 3
"""Conditions that are named."""

_SIDES = (("baseline", "right with its reasoning"), ("ablated", "right under the ablation"))
"""Class of a series → what it shows."""


def reasoning(facts: Facts, figures: str) -> str:
    if not facts["effects"]:
        return ""
    header = (
        "ablation", "problems", "with", "without", "difference, points", "right → wrong",
        "wrong → right", "paired t, p", "McNemar p", "thought", "answer", "answer without",
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
        "is a wrong one. Of several samples the first counts. The difference, with minus without, "
        "has Newcombe's 95 % interval for paired shares. Lengths are mean tokens of the reasoning "
        "and of what follows it."
    )
    body = plots.table(header, rows)
    drawn = block("What reasoning does", lead, body, f"{figures}/reasoning", "wide")
    return drawn + _reasoning_groups(facts["effects"], figures)


def _series(found: Facts) -> list[tuple[str, Facts]]:
    return [("baseline", found["with"]), ("ablated", found["without"])]


def _compared(found: Facts) -> tuple[str, ...]:
    t = "–" if found["t"] is None else f"{found['t']:.2f}, {found['t_p_shown']}"
    return (
        f"{found['problems']:,}",
        percent(found["with"]["value"]),
        percent(found["without"]["value"]),
        _difference(found["difference"]),
        f"{found['correct_to_wrong']:,}",
        f"{found['wrong_to_correct']:,}",
        escaped(t),
        escaped(found["mcnemar_p_shown"]),
    )


def _difference(found: Facts | None) -> str:
    if found is None:
        return "–"
    value, low, high = (f"{100 * part:+.1f}" for part in Difference(**found))
    return f"{value}<small>{low} to {high}</small>"


def _reasoning_groups(effects: Sequence[Facts], figures: str) -> str:
    header = ("group", "problems", "with", "without", "difference, points", "right → wrong",
              "wrong → right", "paired t, p", "McNemar p")  # fmt: skip
    rows = [
        (escaped(group["group"]), *_compared(group))
        for entry in effects
        for group in entry["groups"]
    ]
    decides = next((entry for entry in effects if entry["groups"]), None)
    if decides is None:
        return ""
    lines = [
        (
            escaped(group["group"]),
            f"{group['problems']:,} problems",
            _series(group),
        )
        for group in decides["groups"]
    ]
    lead = f"Under <code>{escaped(decides['condition'])}</code>, the ablation that decides."
    body = plots.share_rows(lines, plots.legend(_SIDES)) + plots.table(header, rows)
    title = "What reasoning does, by level and subject"
    return block(title, lead, body, f"{figures}/reasoning-groups", "wide")


def graders(facts: Facts) -> str:
    found = facts["disagreements"]
    if found is None:
        return ""
    names = joined([f"<i>{escaped(name)}</i>" for name in found["graders"]] or ["the graders"])
    lead = (
        f"Baseline and deciding ablation, {found['compared']:,} answers graded in every way: "
        f"on {found['answers']:,} of them the verdicts differ"
        + (f" ({names})." if found["graders"] else ".")
    )
    if not found["answers"]:
        return block("Graders", lead, "")
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
    told = f"<summary>{len(found['examples'])} of them</summary>{examples}"
    return block("Graders", lead, f'{counts}<details class="wide">{told}</details>')


def _example(item: Facts, graders: Sequence[str]) -> tuple[str, ...]:
    read = [
        f"{_verdict(verdict)} <code>{escaped(prediction or '')}</code>"
        + (f" <small>{escaped(reason)}</small>" if reason else "")
        for verdict, prediction, reason in (item["graders"][grader] for grader in graders)
    ]
    name = escaped(item["problem_id"])
    where = (f'<a href="#p={name}">{name}</a>', f"<code>{escaped(item['condition'])}</code>")
    return (*where, f"<code>{escaped(item['answer'])}</code>", *read)


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{VERDICT_WORDS[verdict]}</span>'


def _not_read(count: int) -> str:
    if not count:
        return ""
    return (
        f" {count:,} answers count as wrong since they could not be read to their end (not read)."
    )


def failures(facts: Facts) -> str:
    unread = _not_read(facts["not_read"])
    if not facts["failures"]:
        return block("Failures", f"Every rollout was made and graded; none failed.{unread}", "")
    rows = [
        (
            escaped(item["error"]),
            escaped(item["sweep"]),
            _conditions(item["conditions"]),
            ", ".join(f'<a href="#p={escaped(i)}">{escaped(i)}</a>' for i in item["problem_ids"])
            + (" …" if item["problems"] > len(item["problem_ids"]) else ""),
            f"{item['problems']:,}",
            f"{item['count']:,}",
        )
        for item in facts["failures"][:_MOST_KINDS]
    ]
    total = sum(item["count"] for item in facts["failures"])
    lead = f"{total:,} rollouts failed. They count neither as right nor as wrong.{unread}"
    hidden = facts["failures"][_MOST_KINDS:]
    if hidden:
        rest = sum(item["count"] for item in hidden)
        lead += f" {rest:,} of them, for {len(hidden):,} rarer reasons, are not listed."
    header = ("reason", "sweep", "conditions", "such as", "problems", "rollouts")
    return block("Failures", lead, plots.table(header, rows, words=4), kind="wide")


def _conditions(names: Sequence[str]) -> str:
    shown = ", ".join(f"<code>{escaped(name)}</code>" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
