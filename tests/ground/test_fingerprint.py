import re
from pathlib import Path

import pytest

from cotsieve.ground import fingerprint
from cotsieve.ground.faults import BadInput
from cotsieve.ground.fingerprint import reached_files

FILES = {
    "workflow/scripts/job.py": (
        '"""A job."""\nfrom cotsieve.room.near import work\n\nwork(snakemake.input)\n'
    ),
    "cotsieve/__init__.py": "",
    "cotsieve/room/__init__.py": "",
    "cotsieve/room/near.py": (
        '"""Near."""\n\nimport json\nfrom pathlib import Path\n\nfrom cotsieve.room import far\n'
        '\nTABLE = "table.json"\n\n\nclass Kind:\n    """A kind."""\n\n    size: int\n'
        '    """In bytes."""\n\n\ndef work(path):\n    """Work."""\n    # a comment\n'
        "    import cotsieve.other.late\n\n    return far.go(path)\n"
    ),
    "cotsieve/room/far.py": "def go(path):\n    return path\n",
    "cotsieve/room/table.json": "{}",
    "cotsieve/room/unread.json": "{}",
    "cotsieve/other/__init__.py": "",
    "cotsieve/other/late.py": "VALUE = 1\n",
    "cotsieve/other/unreached.py": "VALUE = 1\n",
}
JOB = "workflow/scripts/job.py"


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_reached_files_are_found_through_imports_and_named_data(root):
    assert set(reached_files(JOB, root)) >= {
        JOB,
        "cotsieve/room/near.py",
        "cotsieve/room/far.py",
        "cotsieve/room/table.json",
        "cotsieve/other/late.py",
    }
    assert not {name for name in reached_files(JOB, root) if "unre" in name}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cotsieve/room/near.py", "# a comment", "# another one"),
        ("cotsieve/room/near.py", '"""Work."""', '"""Work hard.\n\n    On it.\n    """'),
        ("cotsieve/room/near.py", '    """Work."""\n', ""),
        ("cotsieve/room/near.py", '"""Near."""', '"""Nearer."""'),
        ("cotsieve/room/near.py", '"""A kind."""', '"""Of a kind."""'),
        ("cotsieve/room/near.py", '"""In bytes."""', '"""In octets."""'),
        ("cotsieve/room/near.py", '"table.json"', "'table.json'"),
        ("cotsieve/room/far.py", "return path", "return (\n        path\n    )"),
        ("cotsieve/room/far.py", "def go", "\n\n\ndef go"),
        (JOB, '"""A job."""', '"""The job."""'),
        ("cotsieve/other/unreached.py", "1", "2"),
        ("cotsieve/room/unread.json", "{}", "[]"),
    ],
)
def test_edits_that_change_no_result_change_no_fingerprint(root, name, old, new):
    before = reached_files(JOB, root)
    edit(root, name, old, new)
    assert reached_files(JOB, root) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (JOB, "input", "output"),
        ("cotsieve/room/near.py", "size: int", "size: float"),
        ("cotsieve/room/near.py", "far.go(path)", "far.go(path) or 1"),
        ("cotsieve/room/far.py", "return path", "return path, 1"),
        ("cotsieve/other/late.py", "1", "2"),
        ("cotsieve/room/table.json", "{}", "[]"),
        ("cotsieve/room/__init__.py", "", "VALUE = 1"),
    ],
)
def test_edits_of_reached_code_and_data_change_the_fingerprint(root, name, old, new):
    before = reached_files(JOB, root)
    edit(root, name, old, new)
    assert reached_files(JOB, root) != before


def test_what_is_left_out_is_neither_counted_nor_followed(root):
    left = reached_files(JOB, root, without=("cotsieve/room/near",))
    assert not {name for name in left if "near" in name or "far" in name or "late" in name}
    before = reached_files(JOB, root, without=("cotsieve/other/",))
    edit(root, "cotsieve/other/late.py", "1", "2")
    assert reached_files(JOB, root, without=("cotsieve/other/",)) == before


def test_where_the_tree_lies_does_not_count(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        path = other / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert reached_files(JOB, other) == reached_files(JOB, root)


MOVED = "cotsieve/attic/deep/near.py"


def test_a_module_that_moves_is_the_same_code(root):
    before = set(reached_files(JOB, root).values())
    for name in (MOVED, "cotsieve/attic/deep/table.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "cotsieve/room" / Path(name).name).rename(root / name)
    edit(root, JOB, "cotsieve.room.near", "cotsieve.attic.deep.near")
    assert set(reached_files(JOB, root).values()) == before
    edit(root, MOVED, "return far", "return 1 + far")
    assert set(reached_files(JOB, root).values()) != before


@pytest.mark.parametrize("sibling", ["def go(path):\n    return 2\n", "VALUE = 1\n"])
def test_an_import_that_leads_elsewhere_counts(root, sibling):
    (root / "cotsieve/room/other.py").write_text(sibling)
    edit(
        root,
        "cotsieve/room/near.py",
        "    import cotsieve.other.late\n",
        "    from cotsieve.room import other\n",
    )
    before = reached_files(JOB, root)
    edit(
        root,
        "cotsieve/room/near.py",
        "from cotsieve.room import far",
        "from cotsieve.room import other as far",
    )
    assert reached_files(JOB, root)["cotsieve/room/near.py"] != before["cotsieve/room/near.py"]


def test_code_in_a_package_on_the_way_counts(root):
    before = reached_files(JOB, root)
    edit(root, "cotsieve/__init__.py", "", "VALUE = 1")
    assert reached_files(JOB, root) != before


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def told(root: Path, line: str, late: str = "cotsieve/other/late.py") -> bool:
    """Whether an edit of a module is noticed, where this line of code alone leads to it."""
    edit(root, "cotsieve/room/near.py", "    import cotsieve.other.late\n", f"    {line}\n")
    before = reached_files(JOB, root)
    edit(root, late, "1", "2")
    return reached_files(JOB, root) != before


@pytest.mark.parametrize(
    "line",
    [
        "from ..other import late",
        "from ..other.late import VALUE",
        "import cotsieve.other.late as late",
        'importlib.import_module("cotsieve.other.late")',
        '__import__("cotsieve.other.late")',
        'pkgutil.resolve_name("cotsieve.other.late:VALUE")',
        'pkgutil.resolve_name("cotsieve.other.late.VALUE")',
        'runpy.run_module("cotsieve.other.late")',
        'subprocess.run([sys.executable, "-m", "cotsieve.other.late"])',
    ],
)
def test_ways_to_a_module_that_are_followed(root, line):
    assert told(root, line)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("importlib.import_module(name)", "import_module runs code"),
        ('importlib.import_module(".late", "cotsieve.other")', "import_module runs code"),
        ("load = importlib.import_module", "import_module runs code"),
        ("from importlib import import_module as load", "import_module gets another name"),
        ("import runpy as run", "runpy gets another name"),
        ('runpy.run_path("cotsieve/other/late.py")', "run_path runs code"),
        ("exec(text)", "exec runs code"),
        ("builtins.eval(text)", "eval runs code"),
        ('getattr(importlib, "import_module")(name)', "a text"),
        ('subprocess.run([sys.executable, "-c", "import cotsieve.other.late"])', "a text"),
        ("importlib.util.spec_from_file_location(name, path)", "spec_from_file_location runs"),
        ("sys.path.insert(0, folder)", "sys.path"),
        ("from cotsieve.other import *", "import *"),
        ("import importlib.resources", "importlib.resources"),
        ("json.loads((Path(__file__).parents[1] / name).read_text())", "a folder above"),
        ('open(Path(__file__).with_name("..") / "other" / name)', "a folder above"),
        ("open(os.path.dirname(os.path.dirname(__file__)) + name)", "a folder above"),
        ("open(far.__file__)", "another module"),
    ],
)
def test_code_that_cannot_be_followed_is_refused_in_one_line(root, line, why):
    edit(root, "cotsieve/room/near.py", "    import cotsieve.other.late\n", f"    {line}\n")
    with pytest.raises(BadInput, match=re.escape(why)) as refused:
        reached_files(JOB, root)
    assert str(refused.value).startswith(f"{root}/cotsieve/room/near.py line ")
    assert "\n" not in str(refused.value)
    assert JOB in reached_files(JOB, root, without=("cotsieve/room/",))


@pytest.mark.parametrize(
    "line", ["model.eval()", 're.compile("a")', "from math import *", "path.parent"]
)
def test_code_that_only_looks_like_it_is_not_refused(root, line):
    edit(root, "cotsieve/room/near.py", "    import cotsieve.other.late\n", f"    {line}\n")
    assert reached_files(JOB, root)


def test_a_package_hides_the_module_of_its_name(root):
    write(root, "cotsieve/other/late/__init__.py", "VALUE = 1\n")
    assert not told(root, "import cotsieve.other.late")
    before = reached_files(JOB, root)
    edit(root, "cotsieve/other/late/__init__.py", "1", "2")
    assert reached_files(JOB, root) != before


def test_a_compiled_module_hides_the_code_beside_it(root):
    write(root, "cotsieve/other/late.abi3.so", "1")
    assert told(root, "import cotsieve.other.late", "cotsieve/other/late.abi3.so")


def test_a_module_beside_the_script_is_followed(root):
    write(root, "workflow/scripts/beside.py", "from cotsieve.other import unreached\n")
    edit(root, JOB, "work(snakemake.input)", "import beside\n")
    assert "cotsieve/other/unreached.py" in reached_files(JOB, root)


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ('open("deep/data.json")', {"deep/data.json"}),
        ('open("LIST")', {"LIST"}),
        ('Path(__file__).with_name("LIST").read_text()', {"LIST"}),
        ('Path(__file__).with_name(f"{path}.json")', {"LIST", "deep/data.json", "unread.json"}),
        (
            "os.path.join(os.path.dirname(__file__), path)",
            {"LIST", "deep/data.json", "unread.json"},
        ),
        ("path", set()),
    ],
)
def test_data_files_that_may_be_read_count(root, code, files):
    write(root, "cotsieve/room/deep/data.json", "{}")
    write(root, "cotsieve/room/LIST", "a b")
    edit(root, "cotsieve/room/near.py", "return far.go(path)", f"return {code}")
    found = {name.removeprefix("cotsieve/room/") for name in reached_files(JOB, root)}
    assert {name for name in found if not name.endswith(".py")} == files | {"table.json"}


def test_circular_imports_end(root):
    edit(root, "cotsieve/room/far.py", "def go", "from cotsieve.room import near\n\n\ndef go")
    assert "cotsieve/room/far.py" in reached_files(JOB, root)


@pytest.fixture
def ask_anew(root, monkeypatch):
    """Ask as a new process does, which knows only what the note tells."""
    monkeypatch.setattr(fingerprint, "CACHE", root / "cache")

    def asked() -> dict[str, str]:
        fingerprint._parsed_files.cache_clear()
        return reached_files(JOB, root)

    yield asked
    fingerprint._parsed_files.cache_clear()


def test_code_is_parsed_once_until_it_is_edited(root, ask_anew, monkeypatch):
    before, parsed = ask_anew(), []
    parse = fingerprint.parsed
    monkeypatch.setattr(
        fingerprint, "parsed", lambda code, name: parsed.append(code) or parse(code, name)
    )
    assert ask_anew() == before
    assert not parsed
    edit(root, "cotsieve/room/far.py", "return path", "return path, 1")
    assert ask_anew() != before
    assert parsed == [(root / "cotsieve/room/far.py").read_bytes()]


@pytest.mark.parametrize("note", ["", "[]", "1", '{"key": 1}', '{"key": [1, [], []]}', '{"a'])
def test_a_damaged_note_of_parsed_code_is_not_believed(root, ask_anew, note):
    before = ask_anew()
    told = root / "cache" / "code.json"
    assert told.is_file()
    told.write_text(note)
    assert ask_anew() == before


def test_code_is_parsed_where_no_note_can_be_kept(root, ask_anew):
    (root / "cache").write_text("not a folder")
    assert set(ask_anew()) >= {JOB, "cotsieve/room/table.json"}
