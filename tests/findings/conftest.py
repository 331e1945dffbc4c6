"""Files of the published expansion study."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published(shared: Path) -> Callable[[str], object]:
    """Reads a file of the published expansion study by its name without .gz."""

    def read(name: str) -> object:
        path = shared / "data" / "cot_expansion" / f"{name}.gz"
        return json.loads(gzip.decompress(path.read_bytes()))

    return read
