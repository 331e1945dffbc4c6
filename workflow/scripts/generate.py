"""Run a shard. In: a source, a model. Out: one row per problem × condition (schema ROLLOUTS)."""

import json
from pathlib import Path

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.job import run_shard
from cotsieve.study.plan import Plan
from cotsieve.study.settings import plain, read_study

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        study = read_study(snakemake.config)
        plan, names = Plan(study), snakemake.wildcards
        run_shard(
            snakemake.output[0],
            problems=plan.planned(names.source, names.shard, snakemake.params.problems),
            reference=plan.reference_problems(names.sweep),
            model=plain(study.models[names.model]),
            files=json.loads(Path(snakemake.input.model).read_text()),
            identity=dict(snakemake.params.model),
            conditions=dict(snakemake.params.conditions),
            reference_digest=snakemake.params.reference,
            decoding=dict(snakemake.params.decoding),
            code=snakemake.params.code,
            libraries=dict(snakemake.params.libraries),
            engine=plain(study.engine),
            threads=snakemake.threads,
        )
