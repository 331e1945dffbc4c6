"""A job that would use anything but what was planned fails with one line and leaves nothing."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cotsieve.ground import files
from cotsieve.ground.faults import BadInput
from cotsieve.ground.files import content_digest, write_text
from cotsieve.study.identity import used
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.identity.records import record_of, write_record
from cotsieve.study.identity.used import Used, code_of_scripts, told_files

CODE = {
    "workflow/scripts/job.py": "from cotsieve.room import far\n",
    "cotsieve/room/far.py": "VALUE = 1\n",
}
RESULTS = Path("results/toy")


@pytest.fixture
def planned(tmp_path, monkeypatch) -> Used:
    """A job that reads a file of the user and a table, in a checkout of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROOT", "SHIPPED"):
        monkeypatch.setattr(used, name, tmp_path)
    monkeypatch.setattr(files, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(used, "_began", lambda: float("inf"))  # the checkout is made by the test
    for name, text in CODE.items():
        write_text(name, text)
    write_text("list.txt", "one\n")
    table = RESULTS / "grades/a.parquet"
    write_text(table, "rows")
    write_record(RESULTS, "grades of a", {}, [table])
    tables = {str(table): (str(record_of(RESULTS, table)), "grades of a")}
    code = code_of_scripts(tmp_path)["workflow/scripts/job.py"]
    return Used("workflow/scripts/job.py", code, {"list.txt": content_digest("list.txt")}, tables)


def edit(path: str | Path, text: str = "another") -> None:
    """Change a file so that neither its size nor its time of modification tells."""
    path = Path(path)
    before = path.stat()
    path.write_text((text * 9)[: before.st_size])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_was_planned_passes(planned):
    planned.verified().ask()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("list.txt", "another"),
        ("cotsieve/room/far.py", "VALUE = 2\n"),
        ("workflow/scripts/job.py", "# another\nX = 1\n#"),
        (RESULTS / "grades/a.parquet", "another"),
    ],
)
def test_what_is_another_is_told_in_one_line(planned, path, text):
    edit(path, text)
    with pytest.raises(BadInput, match=r"changed while the workflow ran\. Run it again\.$") as told:
        planned.verified()
    assert "\n" not in str(told.value)


def test_a_table_of_another_job_is_not_read(planned):
    table = RESULTS / "grades/a.parquet"
    write_record(RESULTS, "grades under another tolerance", {}, [table])
    with pytest.raises(BadInput, match=r"a\.parquet: changed while"):
        planned.verified()


@pytest.mark.parametrize("path", ["list.txt", "cotsieve/room/far.py", RESULTS / "grades/a.parquet"])
def test_what_is_changed_and_set_back_is_told(planned, path):
    unchanged, before = planned.verified(), Path(path).read_text()
    edit(path)
    edit(path, before)
    assert Path(path).read_text() == before
    with pytest.raises(BadInput, match="changed while"):
        unchanged.ask()


def test_code_that_changed_while_the_process_began_is_told(planned, monkeypatch):
    monkeypatch.setattr(used, "_began", lambda: Path("list.txt").stat().st_ctime - 60)
    with pytest.raises(BadInput, match=r"job\.py and the code it uses: changed while"):
        planned.verified()


def test_a_process_knows_when_it_began():
    assert 0 < os.stat(__file__).st_ctime < used._began() < os.times().elapsed + 1e12


def job(planned: Used, output: str) -> SimpleNamespace:
    params = [{"identity": {"is": "of the job", "uses": planned._asdict()}}, {"size": 3}]
    wildcards = SimpleNamespace(study="toy")
    return SimpleNamespace(log=["job.log"], params=params, wildcards=wildcards, output=[output])


def test_a_job_at_work_leaves_its_file_and_a_record(planned):
    output = RESULTS / "merged/a.parquet"
    with at_work(job(planned, str(output))):
        write_text(output, "merged")
    record = json.loads(record_of(RESULTS, output).read_text())
    assert record["identity"] == "of the job"
    assert record["params"] == {"size": [3]}


def test_a_job_at_work_leaves_nothing_once_a_file_it_read_has_changed(planned, capsys):
    output = RESULTS / "merged/a.parquet"
    with pytest.raises(SystemExit), at_work(job(planned, str(output))):
        edit("list.txt")
        write_text(output, "merged")
    assert not output.exists()
    assert not record_of(RESULTS, output).exists()
    assert Path("job.log").read_text().count("\n") == 1
    write_text(output, "what appears after a job is not its own")


def test_the_files_of_a_job_are_those_its_params_and_inputs_tell_of(planned):
    for name in ("weights", "elsewhere", "folder/a", "folder/b"):
        write_text(name, name)
    sha256 = {
        name: content_digest(name) for name in ("weights", "elsewhere", "folder/a", "folder/b")
    }
    params = {"model": {"content": [sha256["weights"]]}, "origin": {"x": sha256["elsewhere"]}}
    found = told_files(params, ["folder", "list.txt"])
    assert found.keys() == {"weights", "folder", "folder/a", "folder/b", "list.txt"}
    assert all(found[name] == sha256[name] for name in ("weights", "folder/a", "folder/b"))
    unchanged = planned._replace(files=found)
    unchanged.verified()
    write_text("folder/c", "c")
    with pytest.raises(BadInput, match="folder: changed while"):
        unchanged.verified()
