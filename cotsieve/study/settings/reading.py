"""Read a study given as plain values: its settings, or everything that is wrong with them."""

from typing import Any

from pydantic import ValidationError

from cotsieve.ground.faults import BadInput, Finding
from cotsieve.study.settings.anchors import with_published
from cotsieve.study.settings.consistency import contradictions
from cotsieve.study.settings.mistakes import mistakes, placed
from cotsieve.study.settings.models import forgotten_families, with_families
from cotsieve.study.settings.part import Part
from cotsieve.study.settings.repaired import repaired
from cotsieve.study.settings.study import Study


def read_study(config: dict[str, Any], origin: str = "config") -> Study:
    """Check a study given as plain values.

    Raises BadInput with every wrong key at once: its path, the value found, and the mend.
    """
    config = {key: value for key, value in config.items() if not str(key).startswith("_")}
    config = with_published(config)
    models, forgotten = config.get("models"), []
    if isinstance(models, dict):
        config = config | {"models": with_families(models)}
        forgotten = placed(origin, forgotten_families(models))
    wrong: list[Finding] = []
    try:
        judged = Study.model_validate(config), []
    except ValidationError as error:
        wrong = mistakes(origin, error.errors(), _known_keys())
        judged = repaired(config, error.errors(), Study.model_validate, _known_keys())
    across = placed(origin, contradictions(*judged)) if judged else []
    if forgotten or wrong or across:
        raise BadInput([*forgotten, *wrong, *across])
    return judged[0]


def _known_keys() -> list[str]:
    return sorted({key for part in Part.__subclasses__() for key in part.model_fields})
