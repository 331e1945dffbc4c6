"""Snakemake decides by identities what runs: not by its own records, nor by times of files.

Its records are lost with `.snakemake` or a move, and times lie where a clock was set or files were
copied. It asks few questions before it plans a job, and for the jobs of cotsieve they are answered
here; rules of other workflows that use this one are planned as ever.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from functools import cache
from typing import Any

from snakemake.io import _IOFile
from snakemake.jobs import Job
from snakemake.persistence import NO_PARAMS_CHANGE, ParamsChange, PersistenceBase

from cotsieve.study.identity.identities import Identities
from cotsieve.study.identity.records import UNKNOWN, Records
from cotsieve.study.identity.used import PARAM


def let_identities_decide(workflow: Any, identities: Identities, records: Records) -> None:
    """Have the jobs of `identities` planned where their `records` tell of anything else."""
    _answer_for_all()
    workflow.globals.setdefault(_DECISIONS, {})[id(identities)] = (identities, records)


_DECISIONS = "decisions of cotsieve"


def fault(job: Any) -> str | None:
    """Why a job of cotsieve has to run, in words; None if its files are what it would make."""
    identities, records = _decision(job)
    wanted = identities.of(identities.rule_of(job.rule), job.wildcards_dict)
    found = records.fault(job.output, wanted)
    return None if found == UNKNOWN and job.rule.params.get(PARAM).by_hand else found


def _decision(job: Any) -> tuple[Identities, Records] | None:
    """What decides on a job whose files can be looked at; None for a foreign one."""
    owner = getattr(job.rule.params.get(PARAM), "rule_of", (None,))[0]
    return job.dag.workflow.globals.get(_DECISIONS, {}).get(id(owner))


@cache
def _answer_for_all() -> None:
    """Put the questions of Snakemake to the functions below first."""
    for name, answer in _ANSWERS.items():
        setattr(PersistenceBase, name, answer(getattr(PersistenceBase, name)))
    newer, older = _IOFile.is_newer, Job.outputs_older_than_script_or_notebook

    async def is_newer(file: Any, time: float) -> bool:
        return not _is_ours(file.rule) and await newer(file, time)

    async def outputs_older(job: Any) -> AsyncIterator[Any]:
        if not _is_ours(job.rule):
            async for file in older(job):
                yield file

    _IOFile.is_newer, Job.outputs_older_than_script_or_notebook = is_newer, outputs_older


def _is_ours(rule: Any) -> bool:
    return rule is not None and hasattr(rule.params.get(PARAM), "rule_of")


def _always(answer: Any) -> Callable[[Callable], Callable]:
    return lambda asked: (
        lambda self, job, **file: answer if _decision(job) else asked(self, job, **file)
    )


def _changed(asked: Callable) -> Callable:
    def params_changed(self: PersistenceBase, job: Any, file: Any = None) -> ParamsChange:
        if not _decision(job):
            return asked(self, job, file)
        if any(output.is_storage for output in job.output):
            return _changed_in_storage(self, job)
        why = fault(job)
        return _change(why, job.output) if why else NO_PARAMS_CHANGE

    return params_changed


def _changed_in_storage(records: PersistenceBase, job: Any) -> ParamsChange:
    """Files in a storage are not looked at: Snakemake's record of their job's identity counts."""
    identities, _ = _decision(job)
    identity = identities.of(identities.rule_of(job.rule), job.wildcards_dict)
    made = [records.params(file) for file in job.output]
    same = all(params is None or any(identity in one for one in params) for params in made)
    return NO_PARAMS_CHANGE if same else _change("made otherwise", job.output)


def _change(why: str, files: Iterable[str]) -> ParamsChange:
    return ParamsChange({why}, {"as the study is now"}, set(files))


_ANSWERS = {
    "has_metadata": _always(True),
    "has_outdated_metadata": _always(False),
    "input_changed": _always(()),
    "code_changed": _always(()),
    "software_stack_changed": _always(()),
    "params_changed": _changed,
}
