"""The command itself: help with an example for every command, one line for every mistake."""

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from cotsieve.cli import running
from cotsieve.cli.app import app
from cotsieve.ground.checkout import SHIPPED

COMMANDS = sorted(get_command(app).commands)


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    done = called(command, "--help")
    assert done.exit_code == 0 and f"Example: cotsieve {command}" in done.output


@pytest.mark.parametrize("command", ["run", "plan", "explain", "status", "check", "publish"])
def test_a_missing_study_is_one_line(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = called(command, "nothing.yaml")
    assert done.exit_code == 1
    told = done.stderr.removeprefix("the study cannot run as it is:\n")
    if command == "publish":
        assert told.startswith("repo: no repository is named")
    else:
        assert told.startswith("nothing.yaml: there is no such file") and told.count("\n") == 1


@pytest.fixture
def started(monkeypatch, tmp_path) -> list[list[str]]:
    """Commands that would have been run, in a folder of its own."""
    seen: list[list[str]] = []

    class Done:
        returncode = 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running.subprocess, "run", lambda c, **_: seen.append(c) or Done())
    return seen


def test_unknown_options_go_to_snakemake_and_the_default_study_is_meant(started):
    assert called("run", "--cores", "3", "--forcerun", "judge").exit_code == 0
    assert called("plan", "-R", "judge").exit_code == 0
    assert called("export", "traces").exit_code == 0
    ends = ["--snakefile", str(SHIPPED / "Snakefile")]
    ends += ["--configfile", str(SHIPPED / "config/config.yaml")]
    run, plan, export = (command[3:] for command in started)
    assert run == ["--cores", "3", "--forcerun", "judge", *ends]
    assert plan == ["--dry-run", "-R", "judge", *ends]
    assert export == ["export_traces", "--cores", "2", *ends]


def test_the_study_of_the_folder_is_meant_where_there_is_one(started, tmp_path):
    (tmp_path / "config").mkdir()
    text = (SHIPPED / "config/config.yaml").read_text("utf-8")
    (tmp_path / "config/config.yaml").write_text(text, encoding="utf-8")
    called("plan")
    assert started[0][-1] == "config/config.yaml"


def test_what_cannot_be_exported_is_told():
    done = called("export", "everything")
    assert done.exit_code == 1
    assert done.stderr == (
        "what to export: 'everything' is unknown. Name checkpoint, traces, rollouts.\n"
    )
    done = called("export", "rollouts")  # around sentences, of which the default study has none
    assert done.exit_code == 1 and "the study has no anchors" in done.stderr
