"""What every part of a study file is made of."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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
    """The plain values that differ from the defaults: what a result is remembered by.

    So a new optional key leaves old results valid. It also means that a default is part of the
    meaning of every result made under it, and must never be changed; a test holds them fast.
    """
    return part.model_dump(mode="json", exclude_defaults=True)
