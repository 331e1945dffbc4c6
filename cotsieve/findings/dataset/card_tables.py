"""The tables of a dataset card: counts, rates, other conditions and failures, as Markdown."""

from collections.abc import Mapping, Sequence

from cotsieve.findings.dataset.markdown import cell, code, number, some, table
from cotsieve.findings.dataset.strata import StratumCount
from cotsieve.findings.dataset.summary import side_by_side
from cotsieve.findings.necessity.controls import HOW_TO_READ, Control, Failure
from cotsieve.findings.necessity.judging import Rates, rates
from cotsieve.rollouts.schema import BASELINE

_MOST_REASONS = 50


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
    header = ["problems", "graded", "baseline right", "ablated right", "needs CoT"]
    header.append("needs CoT, of baseline right")
    parts = ["Shares with Wilson's 95 % intervals. Failed problems are in no share."]
    for by in ("stratum", "source"):
        groups = [*rates(rows, by), *rates(rows)]
        lines = [
            [cell(group.group), number(group.problems), number(group.needs_cot.total)]
            + [str(share) for share in group[3:]]
            for group in groups
        ]
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
        ]
        for control in controls
    ]
    header = ["condition", "right", "broken, of baseline right", "broken, of needs CoT"]
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


def failed(failures: Sequence[Failure]) -> str:
    """Why rollouts failed, and of which problems."""
    if not failures:
        return "None."
    groups: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        groups.setdefault((failure.condition, failure.error), []).append(failure.problem_id)
    lines = [
        [code(condition), cell(error), number(len(ids)), cell(some(list(dict.fromkeys(ids))))]
        for (condition, error), ids in list(groups.items())[:_MOST_REASONS]
    ]
    text = f"{len(failures):,} rollouts failed. They count as neither right nor wrong.\n\n"
    text += table(["condition", "reason", "rollouts", "problems"], lines)
    if len(groups) > _MOST_REASONS:
        text += f"\n\nAnd {len(groups) - _MOST_REASONS:,} more reasons."
    return text
