"""A private Slurm cluster on this host for tests, and what it tells of its jobs."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from running import ROOT

PATIENCE = 300.0
FIELDS = (
    *("jobid", "comment", "partition", "reqtres", "alloctres"),
    *("timelimitraw", "state", "start", "end", "nodelist"),
)
SITE = {
    # lines of the profile that a site sets → what is set here
    "    # gpu_model: a100": "    gpu_model: fake",
    "  # slurm_account: my-account": "  slurm_account: test",
    "latency-wait: 60": "latency-wait: 5\nslurm-init-seconds-before-status-checks: 2",
}


class SlurmJob(NamedTuple):
    """What Slurm's accounting says of a job."""

    number: str
    comment: str
    partition: str
    asked: dict[str, str]
    given: dict[str, str]
    minutes: int
    state: str
    start: str
    end: str
    node: str

    @property
    def rule(self) -> str:
        """The rule, or the group and its rules."""
        return self.comment.removeprefix("rule_").partition("_wildcards_")[0]

    @property
    def shard(self) -> str:
        """The last wildcard, of a job that works on a shard."""
        return self.comment.rpartition("_")[2]


class Cluster:
    """Two nodes with two made-up GPUs each, of type `fake`."""

    def __init__(self, tool: Path, folder: Path):
        self._tool = tool
        self.environment = os.environ | {
            "SLURM_LOCAL_DIR": str(folder),
            "SLURM_LOCAL_MEM": "64000",
            "SLURM_LOCAL_OOM": "1",
            "OMP_NUM_THREADS": "1",
        }

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        """The cluster is up inside of this."""
        self._manage("up", "--acct")
        try:
            for line in self._manage("env").splitlines():
                for word in shlex.split(line.removeprefix("export ")):
                    name, _, value = word.partition("=")
                    path = self.environment["PATH"]
                    self.environment[name] = value.replace("$PATH", path)
            yield self
        finally:
            self._stop()

    def _stop(self) -> None:
        """Take it down; a process that Slurm lost sight of may need a second try."""
        try:
            self._manage("down")
        except AssertionError:
            self._manage("down")

    def _manage(self, *words: str) -> str:
        done = subprocess.run(
            [str(self._tool), *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{words} failed"
        return done.stdout

    def command(self, *words: str) -> str:
        """What a command of Slurm's prints."""
        return subprocess.run(
            words, env=self.environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60
        ).stdout

    def jobs(self) -> list[SlurmJob]:
        """All jobs of the workflow so far."""
        fields = ",".join(FIELDS)
        printed = self.command("sacct", "--noheader", "-XP", "--duplicates", f"--format={fields}")
        rows = [line.split("|") for line in printed.splitlines()]
        return [
            SlurmJob(
                row[0], row[1], row[2], _amounts(row[3]), _amounts(row[4]), int(row[5]), *row[6:]
            )
            for row in rows
            if row[1]
        ]

    def bring_back(self, node: str) -> None:
        """Make a node that is down or drained take jobs again."""

        def takes_jobs() -> bool:
            resume = ("scontrol", "update", f"NodeName={node}", "State=RESUME")
            subprocess.run(resume, env=self.environment, stderr=subprocess.DEVNULL)
            state = self.command("sinfo", "--noheader", "-n", node, "-o", "%T").split()[0]
            return state in ("idle", "mixed", "allocated")

        until(f"node {node}", takes_jobs)

    def gpus_asked(self, job: SlurmJob) -> str:
        """Kind and number of the GPUs a job asked for, which accounting does not tell."""
        told = self.command("scontrol", "show", "job", job.number)
        return re.search(r"TresPer(?:Job|Node)=gres[/:]gpu:(\S+)", told)[1]

    def submit(self, folder: Path, *arguments: str, profile: dict[str, str] | None = None):
        """Start the workflow of `folder` with the profile for Slurm, set for this site.

        `profile` are further lines to replace in it. Returns the process.
        """
        text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
        for line, ours in {**SITE, **(profile or {})}.items():
            assert text.count(f"{line}\n") == 1, line
            text = text.replace(line, ours)
        (folder / "profile").mkdir(exist_ok=True)
        (folder / "profile" / "config.yaml").write_text(text)
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(folder), "--configfile", "study.yaml", "--nocolor"]
        with (folder / "printed.log").open("a") as printed:
            return subprocess.Popen(
                [*command, "--profile", str(folder / "profile"), *arguments],
                cwd=folder,
                env=self.environment | {"COTSIEVE_CACHE": str(folder / ".cotsieve")},
                stdout=printed,
                stderr=subprocess.STDOUT,
            )


def finish(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Wait for a run, which must succeed."""
    try:
        code = process.wait(3 * PATIENCE)
    finally:
        process.kill()
    assert code == 0, (folder / "printed.log").read_text()[-8000:]


def until(what: str, found: Callable[[], object]) -> object:
    """Wait for something to be found."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def freeze_holder(folder: Path) -> tuple[str, int] | None:
    """Stop the script that has `folder` open, as a hanging file system would.

    Its Slurm job and its process.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"/.snakemake/scripts/" not in (process / "cmdline").read_bytes():
                continue
            opened = {os.readlink(link) for link in (process / "fd").iterdir()}
            if str(folder) in opened:
                os.kill(int(process.name), signal.SIGSTOP)
                environment = (process / "environ").read_text().split("\0")
                variables = dict(item.split("=", 1) for item in environment if item)
                return variables["SLURM_JOB_ID"], int(process.name)
    return None


def _amounts(told: str) -> dict[str, str]:
    """`cpu=1,mem=4000M,gres/gpu=1` as a mapping."""
    return dict(part.split("=", 1) for part in told.split(",") if "=" in part)


def _job(row: list[str]) -> SlurmJob:
    number, comment, partition, asked, given, minutes, *times = row
    return SlurmJob(
        number, comment, partition, _amounts(asked), _amounts(given), int(minutes), *times
    )
