"""What reasoning does to accuracy: the same problems with and without it, pair by pair.

The measures of "From Reasoning to Answer" (Zhang et al. 2025, microsoft/ACV), who compare the
problems whose response is valid in both settings, and beside it the same on all problems: leaving
out unfinished responses favours the setting in which more of them are unfinished.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

from scipy.stats import ttest_rel

from cotsieve.findings.paired import Difference, Paired
from cotsieve.findings.shares import Share
from cotsieve.ground.faults import BadInput, Finding, bad


class Run(NamedTuple):
    """The response to one problem in one setting."""

    problem_id: str
    verdict: str
    """correct, incorrect, no_answer or failed."""
    finished: bool = True
    """It ended before the token limit."""
    format_ok: bool = True
    """It closes its thought exactly once."""
    level: str | None = None
    subject: str | None = None
    think_length: int | None = None
    """Of the thought, in tokens or whatever unit the caller counts."""
    answer_length: int | None = None
    """Of what follows the thought, in the same unit."""

    @property
    def valid(self) -> bool:
        """Finished, well formed, and with an answer to grade."""
        return self.finished and self.format_ok and self.verdict in ("correct", "incorrect")


class Comparison(NamedTuple):
    """Outcomes of pairs: with reasoning against without."""

    with_reasoning: Share
    """Right answers."""
    without: Share
    both: int
    """Right in both settings (1,1)."""
    with_only: int
    """Right only with reasoning (1,0): these need it."""
    without_only: int
    """Right only without (0,1)."""
    neither: int
    t: float | None
    """Paired t-test over outcomes 0 and 1, with minus without; None where it is undefined."""
    t_p: float | None
    """Its two-sided p."""
    mcnemar_p: float
    """Two-sided exact McNemar test: the chance of a split of the unequal pairs like this one."""
    difference: Difference | None
    """With reasoning minus without; None of no problems."""


class Funnel(NamedTuple):
    """How many responses pass one demand after the other."""

    runs: int
    finished: int
    formatted: int
    """Finished, and well formed."""
    extracted: int
    """Finished, well formed, and with an answer: the valid ones."""


class Length(NamedTuple):
    """Over the responses whose length is known; None where there are none."""

    runs: int
    mean: float | None
    median: float | None


class Lengths(NamedTuple):
    """Of the two parts of the responses of a setting."""

    think: Length
    answer: Length


class Effect(NamedTuple):
    """All that two settings of the same problems tell."""

    common: Comparison
    """On problems whose responses are valid in both settings."""
    everything: Comparison
    """On all problems that failed in neither setting; no answer is a wrong one."""
    failed: int
    """Problems that failed in either setting and are in no comparison."""
    funnel_with: Funnel
    funnel_without: Funnel
    lengths_with: Lengths
    lengths_without: Lengths


def effect(with_reasoning: Iterable[Run], without: Iterable[Run]) -> Effect:
    """Compare two settings of the same problems, paired by id.

    Raises BadInput when an id comes twice in a setting, or in one of them only: a problem without
    response is a run whose verdict is failed or no_answer, not a missing one.
    """
    with_, without_ = list(with_reasoning), list(without)
    pairs = _pairs(with_, without_)
    told = [pair for pair in pairs if "failed" not in (pair[0].verdict, pair[1].verdict)]
    return Effect(
        common=_compared(pair for pair in told if pair[0].valid and pair[1].valid),
        everything=_compared(told),
        failed=len(pairs) - len(told),
        funnel_with=funnel(with_),
        funnel_without=funnel(without_),
        lengths_with=lengths(with_),
        lengths_without=lengths(without_),
    )


def effect_by(
    column: str, with_reasoning: Iterable[Run], without: Iterable[Run]
) -> dict[str, Effect]:
    """The effect per "level" or "subject", in sorted order; runs without one are left out.

    Raises BadInput as `effect` does, and when a problem's settings disagree.
    """
    with_ = _groups(column, with_reasoning)
    without_ = _groups(column, without)
    names = sorted(with_.keys() | without_.keys())
    return {name: effect(with_.get(name, []), without_.get(name, [])) for name in names}


def compare(both: int, with_only: int, without_only: int, neither: int) -> Comparison:
    """The comparison that four counts of pairs make."""
    pairs = [(1, 1)] * both + [(1, 0)] * with_only + [(0, 1)] * without_only + [(0, 0)] * neither
    t, t_p = _paired_t(pairs)
    paired = Paired(both, with_only, without_only, neither)
    return Comparison(
        with_reasoning=paired.first,
        without=paired.second,
        both=both,
        with_only=with_only,
        without_only=without_only,
        neither=neither,
        t=t,
        t_p=t_p,
        mcnemar_p=paired.p,
        difference=paired.difference,
    )


def funnel(runs: Iterable[Run]) -> Funnel:
    """How many of the runs are finished, also well formed, and also have an answer."""
    runs = list(runs)
    finished = [run for run in runs if run.finished and run.verdict != "failed"]
    formatted = [run for run in finished if run.format_ok]
    return Funnel(len(runs), len(finished), len(formatted), sum(run.valid for run in formatted))


def lengths(runs: Iterable[Run]) -> Lengths:
    """Mean and median lengths of thought and answer."""
    runs = list(runs)
    return Lengths(
        _length([run.think_length for run in runs]), _length([run.answer_length for run in runs])
    )


def _pairs(with_: Sequence[Run], without: Sequence[Run]) -> list[tuple[Run, Run]]:
    by_id = {run.problem_id: run for run in without}
    found = []
    for name, runs, others in (("with", with_, without), ("without", without, with_)):
        where = f"runs {name} reasoning"
        twice = [key for key, n in Counter(run.problem_id for run in runs).items() if n > 1]
        if twice:
            what = f"{len(twice)} problems come more than once, the first {twice[0]}"
            found.append(Finding(where, what, "Give one sample per problem."))
        missing = {run.problem_id for run in others} - {run.problem_id for run in runs}
        if missing:
            what = f"{len(missing)} problems of the other setting are missing, as {min(missing)}"
            found.append(Finding(where, what, "Give every problem in both settings."))
    if found:
        raise BadInput(found)
    return [(run, by_id[run.problem_id]) for run in with_]


def _compared(pairs: Iterable[tuple[Run, Run]]) -> Comparison:
    counts = Counter((one.verdict == "correct", two.verdict == "correct") for one, two in pairs)
    outcomes = ((True, True), (True, False), (False, True), (False, False))
    return compare(*(counts[outcome] for outcome in outcomes))


def _paired_t(pairs: Sequence[tuple[int, int]]) -> tuple[float | None, float | None]:
    if len({one - two for one, two in pairs}) < 2:  # no spread in the differences
        return None, None
    found = ttest_rel([one for one, _ in pairs], [two for _, two in pairs])
    return float(found.statistic), float(found.pvalue)


def _groups(column: str, runs: Iterable[Run]) -> Mapping[str, list[Run]]:
    if column not in ("level", "subject"):
        raise bad(f"column {column!r}", "runs have no such group", "Use level or subject.")
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if getattr(run, column) is not None:
            groups.setdefault(getattr(run, column), []).append(run)
    return groups


def _length(values: Iterable[int | None]) -> Length:
    known = [value for value in values if value is not None]
    return Length(len(known), fmean(known), median(known)) if known else Length(0, None, None)
