"""What a run does before its first job: it plans, locks the study, looks for what would stop it."""

import atexit
import contextlib
import functools
import gc
from collections.abc import Iterable
from pathlib import Path

from cotsieve.ground.files import CACHE, clear_left_behind
from cotsieve.study.checks.check import check_study
from cotsieve.study.checks.lock import lock_study, unlock_study
from cotsieve.study.checks.preflight import preflight
from cotsieve.study.checks.work import PlannedJob, work_of
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.file import origin_of, refuse_repeated_keys, short_name
from cotsieve.study.settings.reading import read_study


def quicken_planning() -> None:
    """Let this process plan large studies in less time; nothing else changes.

    The plan of a large study is millions of objects that all live on, and Python looks through them
    for garbage so often that a plan of 10,000 jobs takes an eighth longer. For every job Snakemake
    asks three times where its script lies, and each answer is an instance of a class made for it:
    given once and for all, these answers make the same plan a seventh shorter.
    """
    gc.set_threshold(200_000, 20, 100)
    with contextlib.suppress(ImportError):  # should Snakemake do without it one day
        import smart_open

        smart_open.parse_uri = functools.cache(smart_open.parse_uri)


def planned(files: Iterable[str], config: dict, *, checked: bool) -> Plan:
    """The plan of the study in `config`, which was read from `files`; `checked` looks at all it
    names as well. Raises BadInput with everything that is wrong."""
    files = list(files)
    for file in files:
        refuse_repeated_keys(short_name(file))
    plan = Plan(read_study(config, origin_of(files, config)))
    if checked:
        check_study(plan)
    return plan


def before_the_first_job(
    plan: Plan, results: Path, loads: list[PlannedJob], *, here: bool, fetches: set[str]
) -> list[str]:
    """What a real run does before it starts to work, and a dry run does not; what is to be told.

    The study is locked until this process ends. `loads` are the jobs that load a model, `here` says
    whether jobs run on this machine, `fetches` which sources this run fetches. Raises BadInput for
    what would stop the run, and where another one is going on.
    """
    atexit.register(unlock_study, lock_study(results))
    for folder in (results, CACHE):
        clear_left_behind(folder)
    return list(preflight(plan, work_of(plan, results, loads), here=here, fetches=fetches))
