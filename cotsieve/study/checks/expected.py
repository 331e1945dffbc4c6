"""What is foreseen of a study's rows before any is made: which fail, which targets they miss."""

from collections import Counter
from collections.abc import Iterator

from cotsieve.findings.dataset.existing import read_existing
from cotsieve.ground.faults import BadInput, Finding
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.models import Model
from cotsieve.study.settings.places import located

_NAMED = 3


def recorded_rows(plan: Plan) -> Iterator[str]:
    """A line for every source on disk whose bad rows are recorded as failed."""
    for name in _on_disk(plan):
        pool = plan.asked(name)
        bad_rows = list(pool.only(~pool.catalogue.usable[pool.places]).problems())
        if bad_rows:
            reasons = Counter(problem.error for problem in bad_rows).most_common(_NAMED)
            told = "; ".join(f"{reason.rstrip('.')} ({count:,})" for reason, count in reasons)
            first = ", ".join(str(problem.row) for problem in bad_rows[:_NAMED])
            more = ", …" if len(bad_rows) > _NAMED else ""
            rows = "row" if len(bad_rows) == 1 else "rows"
            yield (
                f"sources.{name}: {len(bad_rows):,} {rows} cannot be used and will be recorded as "
                f"failed ({rows} {first}{more}): {told}"
            )


def boxless_models(plan: Plan) -> Iterator[str]:
    """A line for every model that need not write what the grader reads."""
    grader = plan.study.grading.grader
    if grader not in _READ_BOXES:
        return
    for name, model in plan.study.models.items():
        if isinstance(model, Model):
            yield (
                f"models.{name}: grader {grader} reads answers in \\boxed{{}} alone; where a model "
                "of family codi was not trained to write boxes, every answer counts as none"
            )


_READ_BOXES = ("math", "r2a", "thought-anchors")


def unmet_targets(plan: Plan) -> list[str]:
    """A line for every target that the candidates cannot meet, even if all of them pass.

    Raises BadInput with the same when a shortage is to stop the draw. Nothing is known before every
    source is on disk.
    """
    draw = plan.study.draw
    if len(_on_disk(plan)) < len(plan.study.sources):
        return []
    there: Counter[str] = Counter()
    for pool, names in zip(plan.selection.pools, plan.strata(), strict=True):
        there.update(names[pool.catalogue.usable[pool.places]].tolist())
    existing = plan.study.existing
    if existing:
        rows = read_existing(located(existing.path), existing.variant).rows
        there += Counter(row["stratum"] for row in rows)
    asked = dict(draw.targets or {})
    findings = [
        Finding(f"draw.targets.{name}", _short(count, there[name], "in this stratum"), _MEND)
        for name, count in asked.items()
        if count > there[name]
    ]
    if draw.total and draw.total > there.total():
        what = _short(draw.total, there.total(), "to draw from")
        findings.append(Finding("draw.total", what, _MEND))
    if findings and draw.on_shortage == "fail":
        raise BadInput(findings)
    return [f"{finding.where}: {finding.what}" for finding in findings]


_MEND = "Lower it, add problems, or set draw.on_shortage to warn."


def _short(asked: int, there: int, where: str) -> str:
    if not there:
        return f"{asked:,} problems are asked for, and no usable one is {where}"
    return f"{asked:,} problems are asked for, and at most {there:,} are {where}"


def _on_disk(plan: Plan) -> list[str]:
    return [name for name in plan.study.sources if plan.source_file(name).is_file()]
