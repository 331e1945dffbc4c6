"""The table of a shard that an earlier job finished: taken over before anything heavy is loaded.

A job whose model is loaded makes the rows of other shards too (`engine.ahead`). Each of those
shards still has a job of its own, and this is all it has to do: see that the table is the one it
would make, and copy it. So this module imports little, and no problem is read.
"""

import contextlib
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotsieve.ground.files import appearing, write_text
from cotsieve.ground.named_params import named
from cotsieve.ground.seeds import digest

log = logging.getLogger(__name__)


def is_unneeded(decision: str | None) -> bool:
    """Whether the file `decision`, made from earlier rounds, says that no more is to be traced."""
    return bool(decision) and json.loads(Path(decision).read_text(encoding="utf-8"))["enough"]


@dataclass(frozen=True)
class Finished:
    """What is noted of the last finished table of a shard, and what its job would make now."""

    note: Path
    job: str
    """Digest of everything that decides the table."""

    @classmethod
    def of(
        cls, names: Any, told: Mapping[str, Any], what: str, shard: str, problems: object
    ) -> "Finished":
        """`names` are the wildcards study and model; `told` are the params of a job, by name;
        `shard` is source/number; `problems` the number and the digest of its problems, as its job
        is told them.

        The identity is a digest of the other params, and of this job's own problems.
        """
        decides = {name: value for name, value in told.items() if name != "identity"}
        note = Path(f"results/{names.study}/kept/{names.model}/{shard}.{what}.json")
        return cls(note, digest(decides | {"problems": problems}))

    @classmethod
    def of_job(cls, snakemake: Any, what: str) -> "Finished":
        """Those of the job a script was started for."""
        names, told = snakemake.wildcards, named(snakemake.params)
        return cls.of(names, told, what, f"{names.source}/{names.shard}", told["problems"])

    def is_noted(self) -> bool:
        """Whether the last finished table is the one the job would make."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return json.loads(self.note.read_text(encoding="utf-8"))["job"] == self.job
        return False

    def taken_to(self, output: str | Path) -> bool:
        """Write the finished table to `output`; False if there is none, or not of this job."""
        try:
            known = json.loads(self.note.read_text(encoding="utf-8"))
            content = (self.note.parent / known["file"]).read_bytes()
            if known["job"] != self.job or known["sha256"] != hashlib.sha256(content).hexdigest():
                return False
        except (OSError, ValueError, TypeError, KeyError):  # never written, or damaged
            return False
        with appearing(output) as temporary:
            temporary.write_bytes(content)
        rows, problems = known["rows"], known["problems"]
        log.info("%d problems; %d rows are kept from before", problems, rows)
        log.info("%d rows, 0 of them failed, as an earlier job finished them", rows)
        return True

    def put(self, table: Path, problems: int, rows: int) -> None:
        """Note that `table`, in the folder of the note, is the finished one; no row has failed."""
        sha256 = hashlib.sha256(table.read_bytes()).hexdigest()
        known = {"file": table.name, "job": self.job, "sha256": sha256}
        write_text(self.note, json.dumps(known | {"problems": problems, "rows": rows}) + "\n")
