"""A study file that is missing or broken: every command tells what, and how to mend it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, snakemake
from warm import warm_python

COMMANDS = {
    "check": (),
    "status": (),
    "explain": (),
    "publish": ("--repo", "me/needs-cot"),
}
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
"""What a make that runs the tests would tell the one that is tested."""
FILES = {
    "missing": (None, "study.yaml: there is no such file. Correct the path"),
    "broken": (
        "study: [\n",
        "study.yaml line 2: cannot be read as YAML (expected the node",
    ),
    "no mapping": ("- a\n", "study.yaml: it is not a mapping of keys."),
    "a number as key": ("1: a\n", "study.yaml: 1: Keys should be strings (found: 1)"),
}


def place(folder: Path, file: str) -> str:
    text, told = FILES[file]
    if text is not None:
        (folder / "study.yaml").write_text(text)
    return told


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_python(command, file, tmp_path):
    told = place(tmp_path, file)
    done = subprocess.run(
        [warm_python(), "-m", "cotsieve", command, "study.yaml", *COMMANDS[command]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 1 and not done.stdout
    assert told in done.stderr
    assert "Traceback" not in done.stderr and 'File "' not in done.stderr


@pytest.mark.parametrize("file", ["missing", "broken"])
@pytest.mark.parametrize("target", ["run", "plan"])
def test_a_command_of_make(target, file, tmp_path):
    told = place(tmp_path, file)
    here = [f"BIN={Path(sys.executable).parent}", "--old-file=.venv/ready"]
    done = subprocess.run(
        ["make", target, f"STUDY={tmp_path / 'study.yaml'}", *here],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key not in OF_MAKE},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 2 and not done.stdout
    message, _, end = done.stderr.rstrip("\n").rpartition("\n")
    assert end.startswith("make: ***") and message.startswith(f"{tmp_path}/{told}")
    assert len(message.splitlines()) == 1


def test_snakemake_itself_names_the_file_and_none_of_the_workflow(tmp_path):
    place(tmp_path, "a number as key")
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 1
    assert "the study cannot run as it is:\nstudy.yaml: study: is missing." in done.stdout
    assert FILES["a number as key"][1] in done.stdout
    assert ".smk" not in done.stdout and 'File "' not in done.stdout
