"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Tiny models are slower on many threads than on one, and tests run side by side."""
SHARED = Path(os.environ.get("COTSIEVE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and golden outputs, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the folder of published data and golden outputs at {SHARED}")
    return SHARED
