"""What every part of a study file is made of."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cotsieve.study.settings.introduced import INTRODUCED

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
"""A name that becomes part of a path: letters, digits and . _ + - only."""
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Count = Annotated[int, Field(ge=1)]
MOST_OF_A_PATH, MOST_OF_A_NAME = 4095, 255
"""Bytes that Linux takes."""


def _path(text: str) -> str:
    """A path that can name a file, and that Snakemake does not take for a pattern."""
    if not text or not text.isprintable():
        raise ValueError("not a path: it is empty, or holds characters that cannot be seen")
    if set("{}") & set(text):
        raise ValueError("not a path: Snakemake reads { and } as patterns; rename the file")
    if text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError:
            raise ValueError("not a path: there is no such user on this machine") from None
    longest = max(map(len, os.fsencode(text).split(b"/")))
    if longest > MOST_OF_A_NAME or len(os.fsencode(text)) > MOST_OF_A_PATH:
        raise ValueError("not a path: it is longer than a file's name can be")
    return text


FilePath = Annotated[str, AfterValidator(_path)]
"""Where a file or folder of the user lies; models may also be named as on the hub."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def plain(part: Part) -> dict[str, Any]:
    """Plain values in a fixed order, as rules pass them on."""
    return part.model_dump(mode="json")


def decided(part: Part) -> dict[str, Any]:
    """The plain values that differ from what was introduced: what a result is remembered by.

    So a new optional key leaves old results valid, and another default is another value, also where
    a study does not name the key.
    """
    usual, found = introduced(type(part)), {}
    for name, value in plain(part).items():
        given = getattr(part, name)
        if isinstance(given, Part):
            value = decided(given)
            if value or not isinstance(usual.get(name), dict):
                found[name] = value
        elif name not in usual or value != usual[name]:
            found[name] = value
    return found


def introduced(kind: type[Part]) -> dict[str, Any]:
    """What the keys of a part stand for where a result remembers nothing of them, plain and in
    order; without those that must be given."""
    found, known = {}, INTRODUCED.get(kind.__name__, {})
    for name, field in kind.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(default, Part):
            found[name] = introduced(type(default))
        elif name in known or not field.is_required():
            found[name] = known.get(name, default)
    return found


def whole(kind: type[Part], told: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of which `decided` has told."""
    usual = introduced(kind)
    inner = {name: usual[name] | told[name] for name in told if _is_inner(kind, name)}
    return {**usual, **told, **inner}


def _is_inner(kind: type[Part], name: str) -> bool:
    """Whether a key is a part that has a default."""
    field = kind.model_fields.get(name)
    return field is not None and isinstance(field.default, Part)
