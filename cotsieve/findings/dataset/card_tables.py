"""The tables of a dataset card: counts, rates, other conditions and failures, as Markdown."""

from collections.abc import Mapping, Sequence

from cotsieve.findings.dataset.markdown import cell, code, number, some, table
from cotsieve.findings.dataset.strata import StratumCount
from cotsieve.findings.dataset.summary import side_by_side
from cotsieve.findings.failure_kinds import Failure, kinds
from cotsieve.findings.necessity.controls import HOW_TO_READ, Control
from cotsieve.findings.necessity.judging import Rates, groupings, rates
from cotsieve.findings.paired import shown_p
from cotsieve.rollouts.schema import BASELINE

_MOST_KINDS = 50


def counts(
    rows: Sequence[Mapping], strata: Sequence[StratumCount], drawn: int, total: int | None
) -> str:
    """What was tested and what is there, per stratum, and where a target was missed.

    `drawn` problems are in the dataset; `total` were asked for, where targets are shares of that.
    """
    header = [
        "stratum",
        "problems",
        "baseline right",
        "ablated right",
        "needs CoT",
        "existing",
        "target",
        "drawn",
        "missing",
    ]
    lines = []
    for found, count in side_by_side(rates(rows, "stratum"), strata):
        tested = [found.problems, *_right(found)] if found else [0] * 4
        target = None if count is None else count.target
        kept = [count.existing, target, count.drawn, count.missing] if count else [0, None, 0, 0]
        name = cell(found.group if found else count.stratum)
        lines.append([name, *map(number, [*tested, *kept])])
    reached = _shortages(strata) if total is None else _shares_of(total, drawn)
    return table(header, lines) + "\n\n" + reached


def _right(found: Rates) -> list[int]:
    return [found.baseline_correct.count, found.ablated_correct.count, found.needs_cot.count]


def _shortages(strata: Sequence[StratumCount]) -> str:
    short = [count for count in strata if count.missing]
    lines = [
        f"- {cell(count.stratum)}: {count.drawn:,} of {count.target:,}, all there are: "
        f"{count.existing:,} existing and {count.new:,} new."
        for count in short
    ]
    if lines:
        return "\n".join(["Strata that fall short of their target:", "", *lines])
    if any(count.target is not None for count in strata):
        return "Every stratum reaches its target."
    return "No stratum has a target."


def _shares_of(total: int, drawn: int) -> str:
    asked = f"The study asks for {total:,} problems in all (`draw.total`). "
    if drawn > total:
        return f"{asked}There are more, since all that were known before are kept."
    if drawn < total:
        return f"{asked}There are {drawn:,}, and all of them are here."
    return f"{asked}Each target is the share of its stratum, in proportion to what passed."


def shares(rows: Sequence[Mapping], cut_off: int) -> str:
    """Rates per stratum and source with their intervals, and what to mind in them.

    `cut_off` baseline rollouts ended at the limit of tokens.
    """
    header = ["problems", "graded", "needs CoT, of baseline right", "needs CoT, of all graded"]
    header += ["baseline right, of all graded", "ablated right, of all graded"]
    header += ["right only when ablated", "ablated minus baseline, points", "McNemar p"]
    parts = [
        "Shares with Wilson's 95 % intervals. Failed problems are in no share. The difference of "
        "the two conditions has Newcombe's interval for paired shares, its p is exact."
    ]
    for by in groupings(rows):
        lines = [_rates(one) for one in [*rates(rows, by), *rates(rows)]]
        parts.append(table([by, *header], lines))
    if cut_off:
        parts.append(
            f"**Cut off.** {cut_off:,} rollouts of the baseline ended at the limit of tokens "
            "and are judged by what they had come to. Where an ablation is given the chain of "
            "thought, all of the limit is left for its answer."
        )
    trained = sorted({row["source"] for row in rows if "train" in row["source"].lower()})
    if trained:
        names = ", ".join(map(code, trained))
        parts.append(
            f"**Training data.** {names} may have been seen in training: the published CODI "
            "models were trained on an augmentation of the GSM8K train split. Such problems are "
            "right at baseline more often, so more of them are found to need a chain of thought. "
            "Compare rates within a source, not across sources."
        )
    return "\n\n".join(parts)


def _rates(group: Rates) -> list[str]:
    net = group.net
    return [
        cell(group.group),
        number(group.problems),
        number(group.needs_cot.total),
        str(group.needs_cot_of_correct),
        str(group.needs_cot),
        str(group.baseline_correct),
        str(group.ablated_correct),
        number(net.second_only),
        str(net.change or "–"),
        shown_p(net.p),
    ]


def other_conditions(controls: Sequence[Control], sweep: str, decides: str) -> str:
    """The conditions of a sweep side by side; the one that `decides` is marked."""
    if not controls:
        return "The sweep has no other conditions."
    marks = {BASELINE: " (no intervention)", decides: " (decides `needs_cot`)"}
    lines = [
        [
            code(control.condition) + marks.get(control.condition, ""),
            str(control.correct),
            str(control.broken),
            str(control.broken_of_needed),
            *_against_baseline(control),
        ]
        for control in controls
    ]
    header = ["condition", "right", "broken, of baseline right", "broken, of needs CoT"]
    header += ["right only under it", "minus baseline, points", "McNemar p", "follows altered text"]
    others = {control.condition for control in controls} - {BASELINE, decides}
    text = (
        f"Conditions of sweep {code(sweep)} on the {controls[0].correct.total:,} "
        'problems that failed under none of them. "Broken" means not right any more.\n\n'
    )
    text += table(header, lines)
    if others:
        text += f"\n\n{HOW_TO_READ}"
    else:
        text += "\n\nNo control was run: the ablation's effect has nothing to be compared with."
    return text


def _against_baseline(control: Control) -> list[str]:
    """What is so by definition, of the baseline itself, is left out."""
    if control.condition == BASELINE:
        return ["–"] * 4
    net = control.net
    followed = "–" if control.followed is None else str(control.followed)
    return [number(net.second_only), str(net.change or "–"), shown_p(net.p), followed]


def failed(failures: Sequence[Failure]) -> str:
    """Why rollouts failed, and of which problems."""
    if not failures:
        return "None."
    found = kinds(failures)
    lines = [
        [
            cell(kind.error),
            some([code(condition) for condition in kind.conditions]),
            number(kind.rollouts),
            cell(some(kind.problem_ids)),
        ]
        for kind in found[:_MOST_KINDS]
    ]
    text = f"{len(failures):,} rollouts failed. They count as neither right nor wrong.\n\n"
    text += table(["reason", "conditions", "rollouts", "problems"], lines)
    if len(found) > _MOST_KINDS:
        rest = sum(kind.rollouts for kind in found[_MOST_KINDS:])
        text += f"\n\nAnd {rest:,} rollouts for {len(found) - _MOST_KINDS:,} more reasons."
    return text
