"""What the publisher says of a dataset (`publish.about` of a study), as both cards tell it."""

from collections.abc import Mapping


def licence(about: Mapping[str, str]) -> str:
    """The licence for a card's header: an identifier of the Hugging Face hub."""
    return about.get("license", "other")


def language(about: Mapping[str, str]) -> str:
    """The language of the problems, by its ISO 639 code."""
    return about.get("language", "en")


def licence_told(about: Mapping[str, str]) -> str:
    """A sentence on the licence, when one is named."""
    return f"Published under `{about['license']}`. " if "license" in about else ""


def citation(about: Mapping[str, str]) -> list[str]:
    """The section on how to cite it, when that is said."""
    if "citation" not in about:
        return []
    return [f"## How to cite it\n\n```bibtex\n{about['citation'].strip()}\n```"]
