"""Models for whole runs of the workflow, made once per session."""

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

Define = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Definition of a random LLaMA-shaped CODI checkpoint."""
    from make_codi import make_codi

    made = make_codi(tmp_path_factory.mktemp("tiny"), layers=4)
    return {
        "checkpoint": str(made.checkpoint),
        "base": str(made.base),
        "lora": {"rank": made.rank, "alpha": made.alpha},
    }


@pytest.fixture(scope="session")
def trained_model() -> dict[str, Any]:
    """Definition of the bundled CODI checkpoint, which has right answers, and some that break."""
    folder = "resources/models/tiny-codi"
    return {"checkpoint": folder, "base": f"{folder}/base", "lora": {"rank": 8, "alpha": 32}}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small study that has run once, with its checkout; copy it to change it.

    Where tests run side by side, the first process that needs it makes it for all.
    """
    from place import Place, finished_place

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    with (folder.parent / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return Place(folder)
        made = own / "made"
        made.mkdir()
        finished_place(made)
        made.rename(folder)
        return Place(folder)


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The folder of golden outputs of a tiny random LLaMA-shaped CODI checkpoint."""
    return shared / "golden" / "codi_llama_tiny"


@pytest.fixture
def golden_model(golden: Path) -> Define:
    """Definition of the golden model, with further keys."""

    def define(**keys: Any) -> dict[str, Any]:
        model = {"checkpoint": str(golden / "ckpt"), "base": str(golden / "base")}
        return model | {"lora": {"rank": 8, "alpha": 2}} | keys

    return define
