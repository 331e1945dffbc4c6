"""The rollout tests share the makers of tiny checkpoints with the model tests."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from make_codi import MadeCodi

sys.path.append(str(Path(__file__).resolve().parent.parent / "models"))


@pytest.fixture(scope="session")
def makes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "MadeCodi"]:
    """Make a tiny checkpoint of a family, once for all tests that ask for the same."""
    from make_codi import make_codi

    @cache
    def make(family: str, **options: object) -> "MadeCodi":
        return make_codi(tmp_path_factory.mktemp(family), family, **options)

    return make


@pytest.fixture(scope="session", params=["llama", "gpt2"])
def made(request: pytest.FixtureRequest, makes: Callable[..., "MadeCodi"]) -> "MadeCodi":
    return makes(request.param, layers=4)
