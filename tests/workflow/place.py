"""A checkout and a study beside it that has run, to be copied, changed and planned again."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from make_codi import make_codi
from planning import accept_here, plan_here
from running import DRY_RUN, ROOT, Planned, merged, plan_told, snakemake, study_of, write_study

CODE = ("Snakefile", "workflow", "cotsieve", "profiles", "envs")
SOURCE = "problems.jsonl"


class Place:
    """A folder with `checkout`, the code, and `work`, where the study `toy` is run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.checkout, self.work = folder / "checkout", folder / "work"
        self.libraries = ""
        """A folder whose libraries hide the installed ones."""

    @property
    def results(self) -> Path:
        return self.work / "results" / "toy"

    def copied_to(self, folder: Path) -> "Place":
        """A copy with the same modification times."""
        subprocess.run(["cp", "-a", f"{self.folder}/.", str(folder)], check=True)
        return Place(folder)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return snakemake(
            self.work, *arguments, cores=2, root=self.checkout, libraries=self.libraries
        )

    def run(self, *arguments: str) -> str:
        """Run the study, which must succeed; what it printed."""
        done = self.snakemake(*arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def planned(self, *arguments: str) -> Planned:
        """What would be run."""
        return plan_told(self.snakemake(*DRY_RUN, *arguments))

    def planned_here(self, *targets: str) -> Planned:
        """The same, by the package that this process has imported: what code of the place is
        edited counts, but is not run."""
        return plan_here(self.work, self.checkout, *targets, libraries=self.libraries)

    def accept_here(self) -> None:
        """What `accept` does, in this process."""
        accept_here(self.work, self.checkout)

    def accept(self) -> None:
        """Declare the results up to date as they are."""
        self.run("--touch")

    def change_study(self, changes: Mapping[str, Any]) -> None:
        """Merge changes into the study file."""
        file = self.work / "study.yaml"
        write_study(self.work, merged(yaml.safe_load(file.read_text()), changes))

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Change a text file, given by its path from the place; the change must be one."""
        path = self.folder / file
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert after != before, f"{file} was not changed"
        path.write_text(after, encoding="utf-8")

    def edit_rows(self, change: Callable[[list[dict]], object]) -> None:
        """Change the rows of the source in place."""
        rows = [json.loads(line) for line in (self.work / SOURCE).read_text().splitlines()]
        change(rows)
        (self.work / SOURCE).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def flip_bits(self, file: str, at: float) -> None:
        """Invert some bytes, a given part of the way into a file below the working folder."""
        path = self.work / file
        content = bytearray(path.read_bytes())
        start = int(len(content) * at)
        content[start : start + 40] = bytes(byte ^ 0xFF for byte in content[start : start + 40])
        path.write_bytes(content)


def touch(files: Iterable[Path]) -> None:
    """Make files newer than everything else, in an order unlike that of their making."""
    for file in sorted(files, reverse=True):
        os.utime(file)


def finished_place(folder: Path) -> Place:
    """Make a place and run its study: two models, two sweeps, 12 problems in three shards."""
    place = Place(folder)
    place.checkout.mkdir()
    for name in CODE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, place.checkout / name)
    for seed, name in enumerate(("tiny", "other")):
        sizes = {"layers": 2, "hidden": 16, "heads": 2, "kv_heads": 1, "intermediate": 24}
        make_codi(place.work / "models" / name, seed=seed, projection=16, **sizes)
    write_study(place.work, toy_study(), problems=12)
    write_lists(place.work)
    place.run()
    return place


def toy_study() -> dict[str, Any]:
    """Model `tiny` in sweeps `main` and `controls`, model `other` in `main` alone."""
    mean = {"mean-middle": {"operation": "mean", "layer": "middle"}}
    return study_of(
        local_model("tiny"),
        models={"other": local_model("other")},
        select={"exclude": [{"path": "excluded.txt", "format": "text"}]},
        existing={"path": "existing.json"},
        sweeps={"controls": {"conditions": mean, "models": ["tiny"], "reference": {"problems": 4}}},
        engine={"shard_size": 4},
    )


def local_model(name: str) -> dict[str, Any]:
    lora = {"rank": 4, "alpha": 2.0}
    return {"checkpoint": f"models/{name}/ckpt", "base": f"models/{name}/base", "lora": lora}


def write_lists(folder: Path) -> None:
    """An exclusion list that matches nothing yet, and one problem that is already known."""
    (folder / "excluded.txt").write_text("A question of some other set?\n")
    known = {"pair_id": 1, "variant": "clean", "question": "A known one?", "answer": 4}
    flags = {"baseline_correct": True, "ablated_correct": False, "needs_cot": True}
    rows = [known | {"reasoning_steps": 2} | flags]
    (folder / "existing.json").write_text(json.dumps(rows))
