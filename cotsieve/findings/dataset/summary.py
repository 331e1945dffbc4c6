"""What a run found, in a few lines for the terminal."""

from collections.abc import Iterable, Mapping, Sequence

from cotsieve.findings.dataset.strata import StratumCount
from cotsieve.findings.necessity.judging import Rates, rates
from cotsieve.findings.necessity.net_effect import balance, doubt

_HEADER = (
    "stratum", "problems", "failed", "baseline right", "ablated right", "needs CoT",
    "existing", "target", "drawn",
)  # fmt: skip


_NOTHING_READ = (
    "nothing is right at baseline: the grader found no answer in any text; see grading.grader and "
    "what the model wrote, in the report."
)
_NOTHING_RIGHT = "nothing is right at baseline: look in the report at what the model wrote."


def summary(
    rows: Iterable[Mapping],
    strata: Sequence[StratumCount],
    folder: str,
    total: int | None = None,
) -> str:
    """A line per stratum, a total, what is missing to the targets, and where the dataset lies.

    `rows` are NECESSITY rows, `strata` the counts of the draw; with `total`, that is what was asked
    for, and the targets are shares of it.
    """
    rows = list(rows)
    lines = [_line(*pair) for pair in side_by_side(rates(rows, "stratum"), strata)]
    (everything,) = rates(rows)
    drawn = _total(strata)
    if total is not None:
        drawn = drawn._replace(target=total)
    lines.append(_line(everything._replace(group="total"), drawn))
    text = _aligned([_HEADER, *lines])
    if everything.baseline_correct.count:
        text += _found(everything)
    short = [count for count in (strata if total is None else [drawn]) if count.missing]
    if everything.baseline_correct.count:
        text += [
            f"{count.stratum}: {count.missing} short of {count.target}; "
            "test more problems to fill it."
            for count in short
        ]
    elif short:
        unread = all(row["baseline_verdict"] in ("no_answer", "failed") for row in rows)
        text.append(_NOTHING_READ if unread else _NOTHING_RIGHT)
    return "\n".join([*text, f"dataset: {folder}", ""])


def _found(everything: Rates) -> list[str]:
    """The share that needs its chain of thought, of both totals, and what it is on balance."""
    of_right, of_all = everything.needs_cot_of_correct, everything.needs_cot
    lines = [
        f"needs CoT: {of_right} of the {of_right.total:,} right at baseline; "
        f"{of_all} of all {of_all.total:,}",
        f"on balance: {balance(everything.net)}",
    ]
    warning = doubt(everything.net)
    return [*lines, f"WARNING: {warning}"] if warning else lines


def side_by_side(
    found: Iterable[Rates], strata: Sequence[StratumCount]
) -> list[tuple[Rates | None, StratumCount | None]]:
    """Rates and counts of the same stratum: first those with a target, in its order."""
    by_name = {group.group: group for group in found}
    counted = {count.stratum: count for count in strata}
    names = [count.stratum for count in strata if count.target is not None]
    names += sorted((by_name.keys() | counted.keys()) - set(names))
    return [(by_name.get(name), counted.get(name)) for name in names]


def _line(found: Rates | None, count: StratumCount | None) -> tuple[str, ...]:
    name = found.group if found else count.stratum
    tested = (
        (
            found.problems,
            found.failed,
            found.baseline_correct.count,
            found.ablated_correct.count,
            found.needs_cot.count,
        )
        if found
        else (0,) * 5
    )
    drawn = (count.existing, count.target, count.drawn) if count else (0, None, 0)
    return (name, *("–" if number is None else f"{number:,}" for number in (*tested, *drawn)))


def _total(strata: Sequence[StratumCount]) -> StratumCount:
    return StratumCount(
        stratum="total",
        target=sum(count.target or 0 for count in strata),
        existing=sum(count.existing for count in strata),
        new=sum(count.new for count in strata),
        drawn=sum(count.drawn for count in strata),
    )


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
