"""What of a study decides its dataset besides models and conditions, for the card and the page."""

from typing import Any

from cotsieve.ground.files import content_digest
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import reference_source
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.places import located
from cotsieve.study.settings.sources import Exclusion, source_definition


def study_origin(plan: Plan) -> dict[str, Any]:
    """Sources, selection, strata, known problems and reference problems, as plain values.

    Files count by SHA-256, hub files by repository and revision; where they lie is left out.
    """
    study = plan.study
    limited = {"limit": plan.binding_limit, "exclude": list(map(_exclusion, study.select.exclude))}
    if study.select.sample:
        limited["sample"] = plain(study.select.sample)
    origin = {
        "sources": {name: _source(plan, name) for name in study.sources},
        "select": limited,
        "strata": plain(study.strata),
        "reference": {
            name: {"source": reference_source(plan, name), "problems": sweep.reference.problems}
            for name, sweep in study.sweeps.items()
            if sweep.needs_reference
        },
    }
    if study.strata.by != "solution-length":
        del origin["strata"]["parts"]
    if study.existing:
        file = content_digest(located(study.existing.path))
        origin["existing"] = {"sha256": file, "variant": study.existing.variant}
    return origin


def _source(plan: Plan, name: str) -> dict[str, Any]:
    source = plan.study.sources[name]
    place = plain(source.hub) if source.hub else {"sha256": content_digest(located(source.path))}
    read = source_definition(source)
    del read["id"]  # it is one of the columns
    if not source.hub and plan.catalogue(name).usable.all():
        read["bad_rows"] = "stop"  # where there are none, either word means the same
    if source.format not in ("pairs", "cot_all"):
        del read["variant"]
    return place | {key: value for key, value in read.items() if value != {}}


def _exclusion(item: Exclusion) -> dict[str, Any]:
    return {"sha256": content_digest(located(item.path)), "format": item.format, "by": item.by}
