"""Changes of a place: of its study, its code, its files and its results."""

import gzip
import os
import shutil
from collections.abc import Callable
from typing import Any

from place import SOURCE, Place, local_model, touch
from running import REMOVED

from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.findings.original import export_checkpoint
from cotsieve.ground.tables import read

Change = Callable[[Place], Any]

HUB = {"repository": "someone/something", "revision": "0123456789" * 4}


def study(**changes: Any) -> Change:
    return lambda place: place.change_study(changes)


def code(file: str, change: Callable[[str], str]) -> Change:
    return lambda place: place.edit(f"checkout/{file}", change)


def rows(change: Callable[[list[dict]], Any]) -> Change:
    return lambda place: place.edit_rows(change)


def deleted(file: str) -> Change:
    return lambda place: (place.results / file).unlink()


def corrupted(file: str, at: float = 0.02) -> Change:
    return lambda place: place.flip_bits(f"results/toy/{file}", at)


def cut(file: str) -> Change:
    def change(place: Place) -> None:
        path = place.results / file
        path.write_bytes(path.read_bytes()[:-40])

    return change


def together(*changes: Change) -> Change:
    def change(place: Place) -> None:
        for one in changes:
            one(place)

    return change


def touched(folder: str) -> Change:
    return lambda place: touch(file for file in (place.folder / folder).rglob("*"))


def commented(text: str) -> str:
    return text + "\n# A remark.\n"


def another_docstring(text: str) -> str:
    return text.replace('"""', '"""Once more: ', 1)


def another_constant(text: str) -> str:
    return text + "\nANOTHER_CONSTANT = 1\n"


def with_option(section: str) -> Callable[[str], str]:
    return lambda text: text.replace(
        f"class {section}(Part):", f"class {section}(Part):\n    new_option: bool = False\n"
    )


def another_version(library: str) -> Change:
    def change(place: Place) -> None:
        about = place.folder / "libraries" / f"{library}-99.0.dist-info"
        about.mkdir(parents=True)
        place.libraries = str(about.parent)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 99.0\n")

    return change


def another_default(key: str, before: str, after: str) -> Callable[[str], str]:
    """A default of the settings is another one."""

    def change(text: str) -> str:
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{key}: "))
        return text.replace(line, line.replace(f"= {before}", f"= {after}"))

    return change


def imported_from_here(text: str) -> str:
    """Imports from the room of a module, said in another way."""
    return text.replace("from cotsieve.answers.", "from .")


def package_for_module(place: Place) -> None:
    """Beside `numbers.py` a package of that name, which Python prefers, with other code."""
    module = place.checkout / "cotsieve/answers/numbers.py"
    package = module.with_suffix("") / "__init__.py"
    package.parent.mkdir()
    package.write_text(another_constant(module.read_text()))


def patched(file: str) -> Change:
    """A condition of `controls` patches activations from a file, given by its path."""

    def change(place: Place) -> None:
        path = place.work / file
        path.parent.mkdir(exist_ok=True)
        for old in place.work.glob("**/states*.safetensors"):
            old.rename(path)
        if not path.exists():
            path.write_bytes(b"states")
        given = str(path) if file.startswith("by/") else file
        patch = {"operation": "patch", "layer": 1, "activations": given}
        place.change_study({"sweeps": {"controls": {"conditions": {"patch": patch}}}})

    return change


def zipped_source(place: Place) -> None:
    path = place.work / SOURCE
    path.with_name("problems.jsonl.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    place.change_study({"sources": {"toy": {"path": "problems.jsonl.gz"}}})


def swapped_rows(found: list[dict]) -> None:
    found[4], found[5] = found[5], found[4]


def renamed_model(place: Place) -> None:
    place.change_study({"models": {"other": REMOVED, "another": local_model("other")}})


def moved_checkout(place: Place) -> None:
    moved = place.folder / "elsewhere" / "copy"
    moved.parent.mkdir()
    shutil.move(place.checkout, moved)
    place.checkout = moved


def moved_everything(place: Place) -> None:
    moved = place.folder / "elsewhere"
    moved.mkdir()
    shutil.move(place.work, moved / "work")
    place.work = moved / "work"


def moved_model(place: Place) -> None:
    (place.work / "models" / "tiny").rename(place.work / "weights")
    place.change_study({"models": {"tiny": {"checkpoint": "weights/ckpt", "base": "weights/base"}}})


def renamed_source(place: Place) -> None:
    (place.work / SOURCE).rename(place.work / "renamed.jsonl")
    place.change_study({"sources": {"toy": {"path": "renamed.jsonl"}}})


def another_word(row: int) -> Change:
    def change(found: list[dict]) -> None:
        found[row]["question"] = "Now then. " + found[row]["question"]

    return rows(change)


def another_answer(found: list[dict]) -> None:
    found[5]["answer"] += "0"


def another_solution(found: list[dict]) -> None:
    found[5]["answer"] = "So it goes.\n" + found[5]["answer"]


def appended(count: int) -> Change:
    def change(found: list[dict]) -> None:
        found += [row | {"question": f"Once more: {row['question']}"} for row in found[:count]]

    return rows(change)


def excluded_row(place: Place) -> None:
    def change(found: list[dict]) -> None:
        with (place.work / "excluded.txt").open("a") as file:
            file.write(found[5]["question"].strip() + "\n")

    place.edit_rows(change)


def second_source(place: Place) -> None:
    shutil.copy(place.work / SOURCE, place.work / "second.jsonl")
    place.change_study({"sources": {"second": {"path": "second.jsonl"}}})


def hub_source(place: Place) -> None:
    hub = {"repo": HUB["repository"], "split": "test", "revision": HUB["revision"], "rows": 6}
    place.change_study({"sources": {"hub": {"hub": hub}}})


def third_model(place: Place) -> None:
    shutil.copytree(place.work / "models" / "other", place.work / "models" / "third")
    model = {"checkpoint": "models/third/ckpt", "base": "models/third/base"}
    place.change_study({"models": {"third": model | {"lora": {"rank": 4, "alpha": 2.0}}}})


def imported_model(place: Place) -> None:
    table = read(place.results / "necessity" / "other.parquet", NECESSITY)
    export_checkpoint(table.to_pylist(), place.work / "tested.json", "1970-01-01T00:00:00")
    model = {"family": "imported", "results": "tested.json", "ablation": "zero-middle"}
    place.change_study({"models": {"published": model}})


def conditions(sweep: str, **found: Any) -> Change:
    return study(sweeps={sweep: {"conditions": found}})


def without_records_of_snakemake(place: Place) -> None:
    shutil.rmtree(place.work / ".snakemake")


def damaged_record_of_snakemake(place: Place) -> None:
    for record in (place.work / ".snakemake" / "metadata").iterdir():
        if record.is_file():
            record.write_bytes(record.read_bytes()[:-20])


def exchanged(one: str, other: str) -> Change:
    """Two files of the results in each other's place."""

    def change(place: Place) -> None:
        first, second = place.results / one, place.results / other
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)

    return change


def written(file: str, change: Callable[[str], str] = lambda text: "") -> Change:
    """A text of the results that somebody edited; emptied, where nothing is said."""
    return lambda place: place.edit(f"work/results/toy/{file}", change)


def added(file: str) -> Change:
    def change(place: Place) -> None:
        (place.results / file).parent.mkdir(parents=True, exist_ok=True)
        (place.results / file).write_text("Not made here.")

    return change


def dated(days: float, pattern: str = "**/*") -> Change:
    """Results with other times, as after a clock was set."""

    def change(place: Place) -> None:
        for file in sorted(place.results.glob(pattern)):
            time = file.stat().st_mtime + days * 86_400
            os.utime(file, (time, time))

    return change


def of_another_study(place: Place) -> None:
    """The records of the verdicts are those of a study with another sieve."""
    for record in (place.results / "identity" / "necessity").iterdir():
        record.write_text(record.read_text().replace('"identity": "', '"identity": "0', 1))


def flipped_digits(folder: str) -> Change:
    """One digit of every note in a folder of the cache is another."""

    def change(place: Place) -> None:
        for note in (place.work / ".cotsieve").glob(folder):
            text = note.read_text()
            at = len(text) * 2 // 3
            at = next(i for i in range(at, len(text)) if text[i] in "0123456789")
            note.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])

    return change


def only_results_moved(place: Place) -> None:
    """The results alone, and what the study names, in another working folder."""
    moved = place.folder / "another"
    moved.mkdir()
    for name in ("results", "models", SOURCE, "study.yaml", "excluded.txt", "existing.json"):
        shutil.move(place.work / name, moved / name)
    place.work = moved
