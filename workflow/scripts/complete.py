"""Complete published rollouts. In: their tables, a model. Out: all of a kind (ROLLOUTS)."""

import itertools
import json

from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.around.job import run_resampling
from cotsieve.rollouts.around.sentence_units import sentences_of
from cotsieve.rollouts.job import Job, Running
from cotsieve.rollouts.kept import KeptRows
from cotsieve.rollouts.recipe import Recipe
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.making import DECIDES
from cotsieve.study.jobs.places import model_files, model_places
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.reading import read_study


def job_of(told: dict) -> Job:
    """What the job is given; it has no problems of the study's sources."""
    study, names = read_study(snakemake.config), snakemake.wildcards
    model, engine = study.models[names.model], study.engine
    noted = model_files(model, snakemake.input.get("model") or None)
    condition = {told["kind"]: {"anchors": told["kind"], "prefix": told["prefix"]}}
    return Job(
        snakemake.output[0],
        [],
        plain(model),
        plain(study.decoding_of(names.model)),
        Recipe(condition, {name: told[name] for name in DECIDES}, None),
        Running(
            noted,
            model_places(model),
            engine.device,
            engine.batch_rows,
            snakemake.threads,
            engine.held_rows,
        ),
        KeptRows(
            f"results/{names.study}/kept/{names.model}/published",
            f"anchors-{told['kind']}",
            [0],
            most_problems=engine.keep_problems,
            most_seconds=engine.keep_seconds,
        ),
    )


if __name__ == "__main__":
    with at_work(snakemake):
        told, given = named(snakemake.params), snakemake.input
        thoughts, problems = {}, {}
        for row in read(given.traces).to_pylist():
            name, about = row["problem_id"], json.loads(row["problem"])
            thoughts[name] = row["thought"]
            problems[name] = Problem(
                name, "published", 0, about["problem"], None, str(about["gt_answer"]), 0, ""
            )
        rows = itertools.groupby(read(given.sentences).to_pylist(), lambda row: row["problem_id"])
        sentences = [
            sentence
            for name, found in rows
            for sentence in sentences_of(
                problems[name], list(found), told["prefix"], thoughts[name]
            )
        ]
        run_resampling(job_of(told), sentences, told["rollouts"], given.finished)
