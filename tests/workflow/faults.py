"""Kill a study again and again, resume it, and compare its end with an undisturbed run.

A soak from the command line: `python tests/workflow/faults.py --kills 200 --seed 1`. Disk and
folder faults need the right to mount (root on Linux); without it they are left out, and said so.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE), str(HERE.parent / "makers")]

from make_codi import make_codi  # noqa: E402
from running import ROOT, files_under, run, study_of, write_study  # noqa: E402

from cotsieve.ground.tables import read  # noqa: E402

PROCESS_FAULTS = ("kill job", "kill snakemake", "kill group", "terminate group")
STORAGE_FAULTS = ("disk full", "folder turns read-only", "folder is read-only")
COMPARED = ("problems.", "exclusions.", "grades/", "merged/", "necessity/", "dataset/", "summary/")
PROBLEMS, CONDITIONS = 80, 2
PATIENCE = 120.0
"""Seconds a run that was hit may take to end."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "COTSIEVE_CACHE": ".cotsieve",
    "PYTHONFAULTHANDLER": "1",  # a process that does not end can be asked where it is
}


class FaultRun:
    """A study in a folder of its own, how often it was hit, and what came of it."""

    def __init__(self, folder: Path, seed: int, follow: bool):
        self.follow = follow
        self.folder, self.random = folder, random.Random(seed)
        self.results = folder / "results" / "toy"
        self.mounted = _mount_tmpfs(folder)
        self.hits: Counter[str] = Counter()
        self.during_generation = 0
        """Hits while a generation job ran whose finished rows were in part on disk."""
        self.tracebacks = 0
        """Hits after which the terminal showed how a program failed."""
        self.ends = 0
        self._write()

    def _write(self) -> None:
        made = make_codi(self.folder / "model", layers=4)
        model = {"checkpoint": str(made.checkpoint), "base": str(made.base)}
        study = study_of(
            model | {"lora": {"rank": made.rank, "alpha": made.alpha}},
            decoding={"max_new_tokens": 40},
            engine={"batch_rows": 4, "shard_size": 40, "keep_problems": 2},
        )
        write_study(self.folder, study, problems=PROBLEMS)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def undisturbed(self) -> dict[str, bytes]:
        """The results of a run that nothing happens to; the folder is as before."""
        run(self.folder, cores=2)
        found = self._compared()
        self._forget()
        return found

    def _compared(self) -> dict[str, bytes]:
        files = files_under(self.results)
        found = {name: data for name, data in files.items() if name.startswith(COMPARED)}
        for path in self.results.rglob("rollouts/**/*.parquet"):
            # The last bits of how close a choice was depend on what else was in the batch.
            rows = read(path).drop_columns("margin").to_pylist()
            found[path.relative_to(self.results).as_posix()] = json.dumps(rows).encode()
        return found

    def _forget(self) -> None:
        for name in ("results", ".snakemake", ".cotsieve"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def hit(self, fault: str, expected: dict[str, bytes]) -> None:
        """Start the study until the fault has struck once; a study that ends before is checked."""
        while not self._attempt(fault):
            self._check(expected)
            self._forget()

    def finish(self, expected: dict[str, bytes]) -> None:
        """Run the study to its end, and check it."""
        run(self.folder, cores=2)
        self._check(expected)

    def _check(self, expected: dict[str, bytes]) -> None:
        found = self._compared()
        differing = sorted(
            name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
        )
        assert not differing, differing
        rows = read(self.results / "merged/tiny.parquet").to_pylist()
        keys = {(row["condition"], row["problem_id"], row["sample"]) for row in rows}
        assert len(rows) == len(keys) == PROBLEMS * CONDITIONS
        left = [path for path in self.results.rglob(".*.tmp")]
        left += [path for path in self.results.rglob("*.parts/*")]
        assert not left, left
        self.ends += 1

    def _attempt(self, fault: str) -> bool:
        log = self.folder.with_suffix(".log")  # not on the disk that is filled
        before = set(self.results.rglob("*.parts/*.parquet"))
        pause = self.random.uniform(0.2, 6.0)
        parts = self.random.choice((0, 0, 1, 2, 4))
        with contextlib.ExitStack() as stack:
            if fault == "folder is read-only":
                stack.enter_context(self._read_only(self.folder / "results"))
                parts, pause = 0, 60.0
            with log.open("wb") as printed:
                process = subprocess.Popen(
                    workflow_command(self.folder),
                    cwd=self.folder,
                    env=os.environ | ENVIRONMENT,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            stack.callback(_end, process)
            if fault != "folder is read-only":
                self._wait(process, pause, parts, before)
                if process.poll() == 0:
                    return False
                self._strike(fault, process, stack)
            _await_end(process, log)
        self.hits[fault] += 1
        told = log.read_text(errors="replace")
        self.tracebacks += "Traceback" in told
        if self.follow:
            print(f"{sum(self.hits.values())} {fault}", flush=True)
            print(*(told.splitlines()[-60:] if "Traceback" in told else ()), sep="\n", flush=True)
        return True

    def _wait(self, process: subprocess.Popen, pause: float, parts: int, before: set) -> None:
        """Until `parts` new files of kept rows are there and a moment has passed, or the end."""
        until = time.monotonic() + (PATIENCE if parts else pause)
        while time.monotonic() < until and process.poll() is None:
            new = set(self.results.rglob("*.parts/*.parquet")) - before
            if parts and len(new) >= parts:
                time.sleep(pause / 20)
                return
            time.sleep(0.02)

    def _strike(self, fault: str, process: subprocess.Popen, stack: contextlib.ExitStack) -> None:
        jobs = _jobs(process.pid)
        generating = any("generate.py" in command for command in jobs.values())
        partial = any(self.results.rglob("*.parts/*.parquet"))
        self.during_generation += generating and partial
        with contextlib.suppress(ProcessLookupError):
            if fault == "kill job":
                os.kill(self.random.choice(list(jobs) or [process.pid]), signal.SIGKILL)
            elif fault == "kill snakemake":
                os.kill(process.pid, signal.SIGKILL)
            elif fault == "kill group":
                os.killpg(process.pid, signal.SIGKILL)
            elif fault == "terminate group":
                os.killpg(process.pid, signal.SIGTERM)
        if fault == "disk full":
            stack.enter_context(self._full())
        elif fault == "folder turns read-only":
            stack.enter_context(self._read_only(self.results / "kept"))

    @contextlib.contextmanager
    def _full(self) -> Iterator[None]:
        ballast = self.folder / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 2**6, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass
        try:
            yield
        finally:
            ballast.unlink()

    @contextlib.contextmanager
    def _read_only(self, folder: Path) -> Iterator[None]:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        change = ["mount", "--options", "remount,bind,ro", str(folder)]
        try:
            for _ in range(200):  # refused while a file is open for writing
                if subprocess.run(change, stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.01)
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def workflow_command(folder: Path, study: str = "study.yaml", cores: int = 2) -> list[str]:
    """What a user types to run a study, for a process that can be watched."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--cores", str(cores), "--nocolor"]
    return [*command, "--configfile", study]


def _jobs(parent: int) -> dict[int, str]:
    """Process → command of the jobs that a snakemake process runs."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            command = _command(folder)
            if int(status[1]) == parent and "/.snakemake/scripts/" in command:
                found[int(folder.name)] = command
    return found


def _command(folder: Path) -> str:
    return (folder / "cmdline").read_text().replace("\0", " ")


def _await_end(process: subprocess.Popen, log: Path) -> None:
    """Wait for the run and everything it started; nothing may outlive it."""
    process.wait(PATIENCE)
    until = time.monotonic() + PATIENCE
    while left := _session(process.pid):
        assert time.monotonic() < until, _what_they_do(left, log)
        time.sleep(0.02)


def _what_they_do(left: list[int], log: Path) -> str:
    """The processes that outlived a run; each prints where it is as it is ended."""
    commands = [f"{number}: {_command(Path('/proc', str(number)))}" for number in left]
    for number in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGABRT)
    time.sleep(2)
    return "\n".join(
        ["still running", *commands, *log.read_text(errors="replace")[-5000:].split("\n")]
    )


def _end(process: subprocess.Popen) -> None:
    """Leave nothing running, whatever ended the test."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _session(leader: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[3]) == leader and status[0] != "Z":
                found.append(int(folder.name))
    return found


def _mount_tmpfs(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def fault_run(folder: Path, kills: int, seed: int, follow: bool = False) -> dict[str, object]:
    """Hit a study `kills` times; every end it came to was equal to an undisturbed one."""
    faults = FaultRun(folder, seed, follow)
    started = time.monotonic()
    try:
        expected = faults.undisturbed()
        kinds = PROCESS_FAULTS + (STORAGE_FAULTS if faults.mounted else ())
        for number in range(kills):
            faults.hit(kinds[number % len(kinds)], expected)
        faults.finish(expected)
    finally:
        faults.close()
    return {
        "hits": dict(faults.hits),
        "hits during generation with rows on disk": faults.during_generation,
        "ends equal to an undisturbed run": faults.ends,
        "rows lost or doubled": 0,
        "hits that showed a traceback": faults.tracebacks,
        "seconds": round(time.monotonic() - started),
        "storage faults": "yes" if faults.mounted else "no: mounting is not permitted",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--follow", action="store_true", help="tell of every hit")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = fault_run(Path(folder) / "run", chosen.kills, chosen.seed, chosen.follow)
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
