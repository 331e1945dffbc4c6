"""What only the publisher of a dataset knows of it: told by its card and its Croissant metadata."""

import datetime
from typing import Annotated

from pydantic import Field

from cotsieve.study.part import Part


class About(Part):
    """Facts of a publication; none of them changes a row."""

    license: Annotated[str, Field(min_length=1)] | None = None
    """An identifier of the Hugging Face hub, such as cc-by-4.0; default: other."""
    creator: Annotated[str, Field(min_length=1)] | None = None
    """The person who publishes it."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """Of the problems, as ISO 639: en, zh; default: en."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """The page of the dataset."""
    date: Annotated[datetime.date, Field(strict=False)] | None = None
    """When it was published, as 2026-01-31; asked for, since equal studies give equal bytes."""
    citation: Annotated[str, Field(min_length=1)] | None = None
    """How to cite it, as BibTeX."""
