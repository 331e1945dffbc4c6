"""An installed wheel carries the whole workflow, and its results are those of a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cotsieve.study.identity.ingredients import code_identity

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = ("workflow/scripts/generate.py", "cotsieve/rollouts/written_rows.py")
ASKED = f"""
from cotsieve.ground.checkout import SHIPPED
from cotsieve.study.identity.ingredients import code_identity
for entry in {ENTRIES!r}:
    print(*code_identity(entry, SHIPPED, pinned=True))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel, as pip lays them out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, folder / "source"], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def asked(installed: Path, folder: Path, *arguments: str) -> str:
    place = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(installed)}}
    return subprocess.check_output([sys.executable, *arguments], text=True, **place)


def test_the_default_study_is_planned_in_an_empty_folder(installed, tmp_path):
    told = asked(installed, tmp_path, "-m", "cotsieve", "plan", "--quiet", "all")
    assert "generate" in told and "report" in told


def test_code_is_the_same_code_wherever_it_lies(installed, tmp_path):
    found = asked(installed, tmp_path, "-c", ASKED).splitlines()
    assert [line.split() for line in found] == [
        code_identity(entry, ROOT, pinned=True) for entry in ENTRIES
    ]


def test_the_command_is_there(installed):
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "cotsieve = cotsieve.cli.app:app" in entries.read_text("utf-8")
