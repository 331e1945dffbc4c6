"""Study files that nobody writes by accident: each is refused with one clear message."""

import os
from pathlib import Path

import pytest
from studies import MINIMAL, changed

from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import content_digest
from cotsieve.problems.files.records import read_records
from cotsieve.problems.files.segments import read_text
from cotsieve.study.checks.preflight import main
from cotsieve.study.settings.file import MOST_DEPTH, refuse_repeated_keys
from cotsieve.study.settings.reading import read_study

NAMES = ["..", ".", "../up", "/etc/passwd", "a/b", "a\\b", "a b", "", "-rf", ".hidden", "a\n",
         "a\x00", "ä", "$(touch x)", "{study}", "a" * 101, "~"]  # fmt: skip
MODEL = MINIMAL["models"]["tiny"]
ZERO = MINIMAL["sweeps"]["main"]["conditions"]["zero-middle"]
PLACES = {
    "study": lambda name: changed("study", name),
    "source": lambda name: changed("sources", {name: {"path": "a.jsonl"}}),
    "model": lambda name: changed("models", {name: MODEL}),
    "sweep": lambda name: changed("sweeps", {name: {"conditions": {"zero-middle": ZERO}}}),
    "condition": lambda name: changed("sweeps", {"main": {"conditions": {name: ZERO}}}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_leave_its_folder_is_refused(place, name):
    with pytest.raises(BadInput) as caught:
        read_study(PLACES[place](name))
    assert "Names become paths: use letters, digits and . _ + - only." in str(caught.value)


def bomb(item: str, of: str) -> str:
    lines = ["study: x", f"_0: &a0 {item}"]
    for number in range(1, 10):
        inner = of.format(*[f"*a{number - 1}"] * 9)
        lines.append(f"_{number}: &a{number} {inner}")
    return "\n".join([*lines, "sources: *a9\n"])


BOMBS = {
    "lists": (bomb("[a]", "[{}, {}, {}, {}, {}, {}, {}, {}, {}]"), "its anchors stand for"),
    "mappings": (
        bomb("{a: b}", "{{" + ", ".join(f"k{i}: {{}}" for i in range(9)) + "}}"),
        "its anchors stand for",
    ),
    "an anchor in itself": ("study: &a {b: *a}\n", "an anchor holds itself"),
    "deep": ("a: " + "[" * (MOST_DEPTH + 5) + "]" * (MOST_DEPTH + 5), "nested more than"),
    "deeper than Python goes": ("a: " + "[" * 5000 + "]" * 5000, "nested more than"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_file_that_unfolds_without_end_is_refused(kind, tmp_path, capsys):
    text, told = BOMBS[kind]
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        refuse_repeated_keys(path)
    assert main(str(path)) == 1
    assert told in capsys.readouterr().err


def test_anchors_that_are_meant_are_taken(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: *a}\n")
    refuse_repeated_keys(path)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [touch touched]",
                                 "!!python/name:os.system", "!include /etc/passwd"])  # fmt: skip
def test_tags_run_nothing(tag, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(f"study: {tag}\n")
    assert main("study.yaml") == 1
    assert capsys.readouterr().err.count("\n") < 8
    assert os.listdir() == ["study.yaml"]


@pytest.mark.parametrize("reader", [read_records, read_text, content_digest])
@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_what_is_no_file_is_not_waited_for(reader, kind, ending, tmp_path):
    path = tmp_path / f"source.{ending}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(BadInput, match="it is a folder, a pipe or a device, not a file"):
        reader(path)


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_links_that_lead_nowhere_are_refused(ending, tmp_path):
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(BadInput, match=r"Correct the path|Fetch it again"):
        read_records(one)
    one.unlink()
    one.write_bytes(b"")
    with pytest.raises(BadInput, match=r"is empty|not Parquet"):
        read_records(one)
