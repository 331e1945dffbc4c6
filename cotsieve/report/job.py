"""From the files of a study to its report folder: the page, the figures, the measured times."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cotsieve.findings.dataset.folder import DATASET
from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.ground import tables
from cotsieve.ground.files import write_text
from cotsieve.problems.problem import PROBLEMS
from cotsieve.report.facts.figure_data import figure_data
from cotsieve.report.facts.gathered import study_facts
from cotsieve.report.facts.grader_check import DISAGREEMENTS
from cotsieve.report.facts.inputs import ModelTables, StudyTables
from cotsieve.report.figures import write_figures
from cotsieve.report.page.explorer import packed
from cotsieve.report.page.frame import page


def write_report(
    index: str | Path, figures: str | Path, study: StudyTables, anchors: Sequence[str] = ()
) -> None:
    """Write index.html and the folder of figures beside it; `anchors` have pages beside it."""
    facts = study_facts(study)
    for model in facts["models"]:
        write_figures(Path(figures) / model["model"], figure_data(model))
    write_text(index, page(facts, packed(study), Path(figures).name, anchors))


def read_study_tables(
    study: str,
    problems: str | Path,
    exclusions: str | Path,
    models: Iterable[ModelTables],
    settings: Mapping[str, Any],
) -> StudyTables:
    """The tables of a study; `models` come from `read_model_tables`."""
    return StudyTables(
        study,
        tables.read(problems, PROBLEMS),
        list(models),
        json.loads(Path(exclusions).read_text(encoding="utf-8")),
        settings,
    )


def read_model_tables(
    model: str,
    *,
    merged: str | Path,
    necessity: str | Path,
    drawn: str | Path,
    graders: str | Path | None,
    about: Mapping[str, Any],
    told: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> ModelTables:
    """The tables of a model.

    `graders` tells where graders differ on its answers, as far as that is known. `about` is what
    the study file says: family, sweep, condition, conditions, thoughts and targets. `told` makes
    what the page tells of the tables' origin from what stands in them.
    """
    return ModelTables(
        model,
        tables.read(merged, MERGED),
        tables.read(necessity, NECESSITY).to_pylist(),
        tables.read(drawn, DATASET).to_pylist(),
        disagreements=tables.read(graders, DISAGREEMENTS) if graders else None,
        compared=tables.provenance(graders)["compared"] if graders else 0,
        provenance=told(tables.provenance(merged)),
        **about,
    )
