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


PATHS = {
    "NUL": ("a\0b", "characters that cannot be seen"),
    "a line end": ("a\nb", "characters that cannot be seen"),
    "an escape": ("a\x1b[31mb", "characters that cannot be seen"),
    "half a surrogate": ("a\udcff", "characters that cannot be seen"),
    "nothing": ("", "it is empty"),
    "a pattern": ("a{x}b", "Snakemake reads { and } as patterns"),
    "nobody's home": ("~nobody_of_this_name/a", "there is no such user"),
    "a long name": ("a" * 256, "longer than a file's name can be"),
    "a long path": ("a/" * 3000, "longer than a file's name can be"),
}
FILES = {
    "sources toy path": "path",
    "models tiny checkpoint": "checkpoint",
    "models tiny base": "base",
    "sweeps main conditions zero-middle activations": "activations",
}
LISTS = {
    "existing": lambda path: {"path": path},
    "select": lambda path: {"exclude": [{"path": path}]},
    "quality": lambda path: {"against": [{"path": path}]},
    "models": lambda path: {"m": {"family": "imported", "results": path, "ablation": "a"}},
}


@pytest.mark.parametrize("place", [*FILES, *LISTS])
@pytest.mark.parametrize("path, told", PATHS.values(), ids=PATHS)
def test_a_path_that_can_be_none_is_told_with_its_key(place, path, told):
    value = LISTS[place](path) if place in LISTS else path
    with pytest.raises(BadInput) as caught:
        read_study(changed(place, value))
    lines = [line for line in str(caught.value).splitlines() if "not a path" in line]
    assert len(lines) == 1 and told in lines[0] and len(lines[0]) < 500
    assert lines[0].startswith(f"config: {place.replace(' ', '.')}")


NUMBERS = {
    "models tiny lora alpha": [float("nan"), float("inf")],
    "models tiny thoughts": [10**12],
    "grading tolerance": [float("nan"), float("inf"), -1.0],
    "decoding temperature": [float("inf")],
    "decoding samples": [10**9],
    "decoding max_new_tokens": [10**18],
    "engine keep_seconds": [float("inf")],
    "sweeps main grid": [
        {"operation": ["zero"], "layer": ["middle"] * 3000, "thoughts": [[0]] * 3000},
        {"operation": ["zero"], "layer": [1], "thoughts": [[0] * 600_000]},
    ],
    "sweeps main conditions": [{f"c{number}": ZERO for number in range(2001)}],
    "models": [{f"m{number}": MODEL for number in range(201)}],
    "sources toy": [
        {"hub": {"repo": "a/b", "split": "c", "revision": "0" * 40, "rows": 10**12}},
    ],
}


@pytest.mark.parametrize(
    "place, value",
    [(place, value) for place, values in NUMBERS.items() for value in values],
    ids=lambda value: value if isinstance(value, str) else str(value)[:20],
)
def test_a_number_without_measure_is_refused(place, value):
    with pytest.raises(BadInput) as caught:
        read_study(changed(place, value))
    assert place.split()[-1] in str(caught.value) and len(str(caught.value)) < 3000


ENDLESS = {
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
    "megabytes of values": lambda path: path.write_text("a: [b, c]\n" * 600_000),
    "megabytes of remarks": lambda path: path.write_text("# a\n" * 600_000),
    "gigabytes of nothing": lambda path: (path.touch(), os.truncate(path, 2**32)),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_study_file_without_end_is_not_read(kind, tmp_path, capsys):
    path = tmp_path / "study.yaml"
    ENDLESS[kind](path)
    assert main(str(path)) == 1
    told = capsys.readouterr().err
    assert "a pipe or a device" in told or "a study file may have 200,000" in told
    with pytest.raises(BadInput):
        refuse_repeated_keys(path)


def test_a_long_value_is_not_repeated_whole():
    with pytest.raises(BadInput) as caught:
        read_study(changed("study", "a" * 10**6))
    assert len(str(caught.value)) < 500
