"""The conda environment of the rules holds what jobs need, in the versions of requirements.lock.

After a change of either, `python tests/test_envs.py` writes it anew.
"""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / "envs" / "cotsieve.yaml"
NOT_IN_JOBS = {"snakemake"}
"""It starts the jobs, from an environment of its own."""

HEAD = """\
# The environment of every rule (snakemake --software-deployment-method conda). Written from
# requirements.lock by `python tests/test_envs.py`; a test keeps the two in step.
name: cotsieve
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Distribution → its line in the lock."""
    lines = (ROOT / "requirements.lock").read_text().split()
    return {canonical(line.partition("==")[0]): line for line in lines}


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def needed_by_jobs() -> set[str]:
    """What the package depends on, and what that depends on in turn."""
    found: set[str] = set()
    queue = [wanted for wanted in declared() if wanted.name not in NOT_IN_JOBS]
    while queue:
        wanted = queue.pop()
        name = canonical(wanted.name)
        for extra in ("", *wanted.extras):
            if f"{name}[{extra}]" in found:
                continue
            found.add(f"{name}[{extra}]")
            below = map(Requirement, requires(name) or [])
            queue += [
                one for one in below if one.marker is None or one.marker.evaluate({"extra": extra})
            ]
    return {name.partition("[")[0] for name in found}


def environment() -> str:
    pins = locked()
    # PyTorch for GPUs brings libraries of its own, which a lock for every machine cannot name;
    # Triton stands in the lock for tests alone, in the version that the PyTorch there wants.
    names = needed_by_jobs() - {"triton"}
    lines = sorted((pins[name] for name in names if name in pins), key=str.lower)
    return HEAD + "".join(f"      - {line}\n" for line in lines)


def test_the_environment_follows_the_lock():
    assert ENVIRONMENT.read_text() == environment(), "run: python tests/test_envs.py"


def test_everything_declared_is_locked():
    pins = locked()
    missing = [wanted.name for wanted in declared() if canonical(wanted.name) not in pins]
    assert not missing
    for wanted in declared():
        version = pins[canonical(wanted.name)].partition("==")[2]
        assert wanted.specifier.contains(version), f"{wanted} is locked at {version}"


if __name__ == "__main__":
    ENVIRONMENT.write_text(environment())
