"""What every part of a study file is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
"""A name that becomes part of a path: letters, digits and . _ + - only."""
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def plain(part: Part) -> dict[str, Any]:
    """Plain values in a fixed order, as rules pass them on."""
    return part.model_dump(mode="json")


def decided(part: Part) -> dict[str, Any]:
    """The plain values that differ from the defaults: what a result is remembered by.

    So a new optional key leaves old results valid. It also means that a default is part of the
    meaning of every result made under it, and must never be changed; a test holds them fast.
    """
    return part.model_dump(mode="json", exclude_defaults=True)
