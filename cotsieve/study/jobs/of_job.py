"""The plan of a study as the script of one job sees it."""

from typing import Any

from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.references import reference_source
from cotsieve.study.settings.reading import read_study


def plan_of(snakemake: Any) -> Plan:
    """The plan of the study a script runs for, with its sources where this job finds them.

    That need not be where they were fetched to: a storage of the workflow brings them to the job.
    The inputs `sources` are those that decide a shard, or else all of the study.
    """
    plan, names = Plan(read_study(snakemake.config)), snakemake.wildcards
    source = names.get("source")
    needed = plan.sources_for(source, names.shard) if source else list(plan.study.sources)
    plan.files |= dict(zip(needed, snakemake.input.sources, strict=True))
    reference = list(snakemake.input.get("reference", []))
    if reference:
        plan.files[reference_source(plan, names.sweep)] = reference[0]
    return plan
