"""One problem of a study as text: the question, every verdict, and what was read and written."""

from collections.abc import Iterator
from pathlib import Path

from cotsieve.ground.faults import bad
from cotsieve.notebook.opened import OpenStudy
from cotsieve.rollouts.schema import BASELINE
from cotsieve.study.settings.file import study_values
from cotsieve.study.settings.reading import read_study


def shown(study: Path, results: Path, problem: str, model: str, condition: str) -> str:
    """Raises BadInput for a problem, model or condition that is not there."""
    name = read_study(study_values(study), str(study)).study
    opened = OpenStudy(results / name)
    _refuse_unknown("model", model, opened.models)
    lines = opened.problem(problem).lines(model)
    if condition:
        texts = list(_texts(opened, problem, model, condition))
        if not texts:
            known = {c for m in opened.models for s in opened.conditions(m).values() for c in s}
            _refuse_unknown("condition", condition, sorted({*known, BASELINE}))
        lines += texts
    return "\n".join(lines) + "\n"


def _texts(opened: OpenStudy, problem: str, model: str, condition: str) -> Iterator[str]:
    """What was read and written under a condition."""
    for name in [model] if model else opened.models:
        rows = opened.rollouts(name, condition, problems=[problem], arrow=True).to_pylist()
        for row in rows:
            sample = f", sample {row['sample']}" if row["sample"] else ""
            where = f"{name}, {row['sweep']}/{condition}{sample}"
            given = opened.given_reasoning(problem, name, row["sweep"], condition)
            if condition != BASELINE and row["sample"] in given:
                yield f"\n{where}: read\n\n{given[row['sample']]}"
            yield f"\n{where}: written\n\n{row['text'] or row['error'] or ''}"


def _refuse_unknown(what: str, name: str, known: list[str]) -> None:
    if name and name not in known:
        raise bad(what, f"{name!r} is not in the results", f"Name one of {', '.join(known)}.")
