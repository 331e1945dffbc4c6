"""`make publish` shows first and uploads only when told to, and only what is up to date."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from hub_repository import Repository
from hub_server import serving
from running import ROOT, merged, run, study_of, write_study
from warm import warm_python

from cotsieve.ground.version import VERSION


def publish(folder: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    hub = {"HF_ENDPOINT": address, "HF_TOKEN": "secret", "HF_HUB_DISABLE_XET": "1"}
    hub |= {"HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1", "HF_HOME": str(folder / "hub")}
    command = [warm_python(), "-m", "cotsieve", "publish", "study.yaml"]
    return subprocess.run(
        [*command, "--directory", str(folder), *arguments],
        cwd=folder,
        env=os.environ
        | hub
        | {"COTSIEVE_CACHE": str(folder / ".cotsieve"), "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def study(trained_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_study(folder, study_of(trained_model), problems=20)
    run(folder, "results/toy/summary/tiny.txt")
    return folder


def test_the_card_says_what_decided_the_dataset(study):
    """The study says nothing of grading, strata or prompt style: the defaults stand on the card."""
    card = (study / "results/toy/dataset/tiny/README.md").read_text("utf-8")
    told = yaml.safe_load(card.partition("```yaml\n")[2].partition("```")[0])
    file = hashlib.sha256((study / "problems.jsonl").read_bytes()).hexdigest()
    assert told["sources"] == {"toy": {"sha256": file, "format": "gsm8k", "bad_rows": "stop"}}
    assert told["grading"] == {"grader": "numbers", "tolerance": 0.01}
    assert told["strata"] == {"by": "steps"}
    assert told["cotsieve"] == VERSION
    assert told["model"]["prompt_style"] == "codi-eval" and told["decoding"]["temperature"] == 0
    assert str(study) not in card


def test_it_shows_then_uploads_then_has_nothing_to_do(study):
    hub = Repository.absent()
    place = study / "results/toy/dataset/tiny"
    files = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}
    with serving(hub) as address:
        shown = publish(study, address, "--repo", "me/needs-cot", "--private")
        assert shown.returncode == 0, shown.stderr
        assert hub.writes == [] and hub.files is None
        assert "Nothing was uploaded" in shown.stdout
        assert all(f"{name} " in shown.stdout for name in files)

        done = publish(study, address, "--repo", "me/needs-cot", "--private", "--push")
        assert done.returncode == 0, done.stderr
        assert hub.private and hub.files == {
            name: path.read_bytes() for name, path in files.items()
        }
        assert "secret" not in done.stdout + done.stderr

        again = publish(study, address, "--repo", "me/needs-cot", "--directory", ".")
        assert f"0 of {len(files)} files to upload" in again.stdout


def test_what_is_not_up_to_date_is_refused(study, trained_model, tmp_path):
    subprocess.run(["cp", "-a", f"{study}/.", str(tmp_path)], check=True)
    write_study(tmp_path, merged(study_of(trained_model), {"draw": {"seed": 7}}))
    hub = Repository.absent()
    with serving(hub) as address:
        refused = publish(tmp_path, address, "--repo", "me/needs-cot", "--push")
    assert refused.returncode == 1 and hub.writes == []
    assert "not up to date" in refused.stderr and "make run" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_hub_out_of_reach_is_one_message(study):
    shown = publish(study, "http://127.0.0.1:9", "--repo", "me/needs-cot")
    assert shown.returncode == 0 and "not known" in shown.stdout
    refused = publish(study, "http://127.0.0.1:9", "--repo", "me/needs-cot", "--push")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
