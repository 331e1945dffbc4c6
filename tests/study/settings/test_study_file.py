"""What is no study file is told by one message, with the file, what it is, and the mend."""

import json
from pathlib import Path

import pytest
import yaml
from studies import MINIMAL

from cotsieve.ground.faults import BadInput
from cotsieve.study.settings.file import origin_of, study_values

WRONG = {
    # what stands in the file → the message behind its name
    "a bracket": (
        b"study: toy\nsources: [\n",
        " line 3: cannot be read as YAML (expected the node content, but found '<stream end>'). "
        "Mend that line or the one before: ",
    ),
    "a tab": (b"study: toy\ndraw:\n\ttotal: 3\n", " line 3: cannot be read as YAML (found charact"),
    "code": (b"study: !!python/name:os.system\n", " line 1: cannot be read as YAML (could not det"),
    "no such day": (b"publish: 2026-02-31\n", ": cannot be read as YAML (day is out of range"),
    "another control": (b"study: \x07\n", ": cannot be read as YAML (unacceptable character"),
    "bytes": (b"study: \xff\n", ": is not UTF-8 (byte 0xff at 7). Save it as UTF-8."),
    "nothing": (b"", ": it is not a mapping of keys. config/README.md says what"),
    "a list": (b"- study\n", ": it is not a mapping of keys. config/README.md says what"),
    "a key twice": (b"study: a\nstudy: b\n", ": study: the key stands there twice, on lines 1 and"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_study_file_is_told(wrong: str, tmp_path: Path):
    text, told = WRONG[wrong]
    path = tmp_path / "study.yaml"
    path.write_bytes(text)
    with pytest.raises(BadInput) as caught:
        study_values(path)
    assert str(caught.value).startswith(f"{path}{told}")


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(BadInput) as caught:
        study_values(tmp_path / "mine.yml")
    where, what, mend = caught.value.findings[0]
    assert (where, what) == (str(tmp_path / "mine.yml"), "there is no such file")
    assert mend.startswith("Correct the path")
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(BadInput, match=f"Did you mean {tmp_path / 'mine.yaml'}"):
        study_values(tmp_path / "mine.yml")
    with pytest.raises(BadInput, match="it is a folder, a pipe or a device"):
        study_values(tmp_path)


def test_what_snakemake_takes_is_taken(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(MINIMAL))
    (tmp_path / "a.json").write_text(json.dumps(MINIMAL, indent="\t"))  # YAML has no such tabs
    for name in ("a.yaml", "a.json"):
        assert study_values(tmp_path / name) == MINIMAL


def test_messages_name_the_file_that_says_it_all(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    file, other = tmp_path / "config/mine.yaml", tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(MINIMAL))
    other.write_text("draw: {total: 3}\n")
    assert origin_of([file], MINIMAL) == "config/mine.yaml"
    assert origin_of([file, other], MINIMAL | {"draw": {"total": 3}}) == "config"
    assert origin_of([file], MINIMAL | {"study": "from the command line"}) == "config"
    assert origin_of([], MINIMAL) == origin_of(["gone.yaml"], MINIMAL) == "config"
    monkeypatch.chdir(tmp_path / "config")
    assert origin_of([other], {"draw": {"total": 3}}) == str(other)
