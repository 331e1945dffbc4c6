"""Fetch a model. Out: where its files lie and the commit they come from."""

import json

from cotsieve.ground.files import write_text
from cotsieve.ground.joblog import logging_to
from cotsieve.models.hub import resolve
from cotsieve.study.places import located
from cotsieve.study.settings import read_study

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        model = read_study(snakemake.config).models[snakemake.wildcards.model]
        found = {
            "checkpoint": resolve(str(located(model.checkpoint)), model.revision, "checkpoint"),
            "base": resolve(str(located(model.base)), model.base_revision, "base"),
        }
        where = {part: str(path.resolve()) for part, path in found.items()}
        write_text(snakemake.output[0], json.dumps(where, indent=1) + "\n")
