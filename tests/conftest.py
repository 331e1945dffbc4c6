"""Fixtures every test may use, and the makers of tiny models and studies on the path."""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Tiny models are slower on many threads than on one, and tests run side by side."""
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
"""Hundreds of processes import the package, which is compiled for the first one alone."""
SHARED = Path(os.environ.get("COTSIEVE_SHARED", ROOT.parent / "shared"))
sys.path.append(str(ROOT / "tests" / "makers"))

LONGEST = (
    *("docs/test_commands.py", "workflow/test_faults.py", "workflow/test_what_reruns.py"),
    *("workflow/test_slurm.py", "workflow/test_same_bytes.py", "workflow/", "docs/"),
)
"""Where the tests lie that take longest, which are begun first: a long one that is begun last has
one processor at work, and the others wait for it."""

if TYPE_CHECKING:
    from make_codi import MadeCodi


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: expected_rank(item.nodeid))


def expected_rank(name: str) -> int:
    found = (rank for rank, part in enumerate(LONGEST) if name.startswith(f"tests/{part}"))
    return next(found, len(LONGEST))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and golden outputs, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the folder of published data and golden outputs at {SHARED}")
    return SHARED


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
