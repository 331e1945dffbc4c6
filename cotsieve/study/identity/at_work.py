"""A job of the workflow from its start to the record of what it made."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotsieve.ground.files import asked_before_files_appear
from cotsieve.ground.joblog import logging_to
from cotsieve.ground.named_params import named
from cotsieve.study.identity.records import write_record
from cotsieve.study.identity.used import PARAM, Used


@contextlib.contextmanager
def at_work(snakemake: Any) -> Iterator[logging.Logger]:
    """Do a job inside the block: with its log, only with what was planned for it, and at its end a
    record beside its results."""
    with logging_to(snakemake.log[0]) as log:
        unchanged = Used(**named(snakemake.params)[PARAM]["uses"]).verified()
        with asked_before_files_appear(unchanged.ask):
            yield log
            unchanged.ask()
            record(snakemake.wildcards.study, snakemake.params, snakemake.output)


def record(study: str, params: Any, outputs: Any) -> None:
    """Record what a job made, beside the results of its study; not in a storage, which the
    workflow keeps account of."""
    results, told = Path("results") / study, named(params)
    identity = told.pop(PARAM)["is"]
    if all(Path(output).is_relative_to(results) for output in outputs):
        write_record(results, identity, told, outputs)
