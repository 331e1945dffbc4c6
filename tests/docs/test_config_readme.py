"""Every key of a study is documented, and no default has changed its meaning."""

import json
import re
from pathlib import Path

from cotsieve.study.settings.conditions import Condition, TextCondition
from cotsieve.study.settings.models import Decoding, Model, ReasoningModel, Style
from cotsieve.study.settings.part import Part
from cotsieve.study.settings.sources import Source

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
DEFAULTS = Path(__file__).with_name("defaults.json")

DECIDING = (Condition, TextCondition, Decoding, Model, ReasoningModel, Source, Style)
"""Parts of which only what differs from the defaults is remembered with a result."""


def test_every_key_is_in_the_readme() -> None:
    keys = {key for part in Part.__subclasses__() for key in part.model_fields}
    named = {word for code in re.findall("`([^`]*)`", README) for word in re.findall(r"\w+", code)}
    assert sorted(keys - named) == []


def test_defaults_that_results_are_remembered_by_never_change() -> None:
    """A default may be added; changing one would make old results look like new ones."""
    known = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    now = {part.__name__: _defaults(part) for part in DECIDING}
    for name, defaults in known.items():
        assert {key: now[name].get(key) for key in defaults} == defaults, name


def _defaults(part: type[Part]) -> dict[str, object]:
    fields = {k: f for k, f in part.model_fields.items() if not f.is_required()}
    made = {key: field.get_default(call_default_factory=True) for key, field in fields.items()}
    return json.loads(json.dumps(made, default=lambda value: value.model_dump(mode="json")))
