"""Run a shard. In: a source, a model. Out: one row per problem × condition (schema ROLLOUTS)."""

import json
from pathlib import Path

from cotsieve.ground.joblog import logging_to
from cotsieve.rollouts.job import Running, run_shard
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.recipe import Recipe
from cotsieve.study.plan import Plan
from cotsieve.study.settings import plain, read_study

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        study = read_study(snakemake.config)
        plan, names, params = Plan(study), snakemake.wildcards, snakemake.params
        problems = plan.planned(names.source, names.shard, params.problems["problems"])
        decides = {key: params[key][key] for key in ("model", "decoding", "engine", "libraries")}
        reference = params.reference["reference problems"]
        run_shard(
            snakemake.output[0],
            problems=problems,
            reference=plan.reference_problems(names.sweep) if reference else [],
            model=plain(study.models[names.model]),
            recipe=Recipe(
                params.conditions["conditions"], decides, params.reference["reference problems"]
            ),
            running=Running(
                json.loads(Path(snakemake.input.model).read_text()),
                study.engine.device,
                study.engine.batch_rows,
                snakemake.threads,
            ),
            kept=KeptRows(
                f"results/{names.study}/kept/{names.model}/{names.source}",
                names.sweep,
                [problem.row for problem in problems],
                most_problems=study.engine.keep_problems,
                most_seconds=study.engine.keep_seconds,
            ),
        )
