"""Every key of a study is documented."""

import re
from pathlib import Path

from cotsieve.study.settings.part import Part

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "config" / "README.md").read_text(encoding="utf-8")


def test_every_key_is_in_the_readme() -> None:
    keys = {key for part in Part.__subclasses__() for key in part.model_fields}
    named = {word for code in re.findall("`([^`]*)`", README) for word in re.findall(r"\w+", code)}
    assert sorted(keys - named) == []
