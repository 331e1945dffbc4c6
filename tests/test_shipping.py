"""What lies around the code for others to use: images, citation, catalog."""

import re
import tomllib
from pathlib import Path

import yaml

from cotsieve.ground.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
USED = {
    *("Snakefile", "config", "cotsieve", "envs", "profiles"),
    *("requirements.lock", "resources", "workflow"),
}
"""What a run reads of the checkout."""


def test_images_hold_what_a_run_reads():
    docker = re.findall(r"^COPY (\S+) ", (ROOT / "Dockerfile").read_text(), re.M)
    recipe = (ROOT / "envs" / "apptainer.def").read_text()
    apptainer = re.findall(r"^ +(\S+) /opt/cotsieve/(\S+)$", recipe, re.M)
    assert sorted(docker) == sorted(USED) == sorted(source for source, _ in apptainer)
    assert all(source == target for source, target in apptainer)
    assert all((ROOT / name).exists() for name in USED)


def test_the_image_runs_for_a_user_without_a_name():
    """`docker run --user` gives neither name nor home, and only /work outlives the container."""
    recipe = (ROOT / "Dockerfile").read_text()
    given = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.+)$", recipe, re.M))))
    mounted = re.findall(r"^WORKDIR (\S+)$", recipe, re.M)[-1]
    assert given["USER"]
    assert given["HOME"] == "/tmp", "what anyone may write to"
    assert given["HF_HOME"].startswith(f"{mounted}/")


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert project["version"] == VERSION


def test_the_catalog_finds_what_it_needs():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"]
    assert (ROOT / "config" / "README.md").is_file()
