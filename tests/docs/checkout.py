"""A copy of the repository in which commands are run as a reader of its pages would."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from getpass import getuser
from pathlib import Path

from pages import ROOT
from warm import warm_python

NOT_COPIED = (".git", ".venv", ".snakemake", ".cotsieve", "results", "__pycache__", ".*_cache")
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
NOBODY = "http://127.0.0.1:9"
"""Where nobody listens: what asks for a page of the internet is told at once that there is none."""


class Checkout:
    """A folder with the repository and the environment that runs the tests."""

    def __init__(self, folder: Path, own: Mapping[str, str]):
        self.folder = folder
        self.printed = ""
        """By all commands so far."""
        self.done: set[str] = set()
        """Commands as the pages tell them."""
        variables = {key: value for key, value in os.environ.items() if key not in OF_MAKE}
        path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOBODY)
        variables |= {"PATH": path, "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        self.own = own
        self.environment = variables | proxies | {"USER": getuser()} | dict(own)

    @classmethod
    def made(cls, folder: Path, own: Mapping[str, str]) -> "Checkout":
        """A fresh copy, whose `.venv` is set up already; `own` are variables of all commands."""
        shutil.copytree(
            ROOT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_COPIED)
        )
        link(Path(sys.prefix), folder / ".venv", ("bin", "ready"))
        link(Path(sys.prefix, "bin"), folder / ".venv/bin", ("python", "snakemake"))
        (folder / ".venv" / "ready").touch()
        python, snakemake = folder / ".venv/bin/python", folder / ".venv/bin/snakemake"
        python.symlink_to(warm_python(**own))
        snakemake.write_text(f'#!/bin/sh\nexec {python} -m snakemake "$@"\n')
        snakemake.chmod(0o755)
        return cls(folder, own)

    def copied_to(self, folder: Path) -> "Checkout":
        """A copy with the same modification times."""
        subprocess.run(["cp", "-a", f"{self.folder}/.", str(folder)], check=True)
        return Checkout(folder, self.own)

    def run(self, command: str, where: str, environment: Mapping[str, str] | None = None) -> str:
        """What a command prints, which must succeed; `where` is its place for a message."""
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=self.environment | dict(environment or {}),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
        )
        self.printed += done.stdout
        assert done.returncode == 0, f"{where}: {command}\n{done.stdout[-5000:]}"
        return done.stdout


def link(folder: Path, to: Path, but: Collection[str]) -> None:
    """Make a folder `to` of links to what is in another one."""
    to.mkdir()
    for part in folder.iterdir():
        if part.name not in but:
            (to / part.name).symlink_to(part)
