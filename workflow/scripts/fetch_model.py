"""Fetch a model. Out: where the fetched files lie."""

import json

from cotsieve.ground.files import write_text
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.places import hub_places
from cotsieve.study.settings.reading import read_study
from cotsieve.weights.hub import resolve

if __name__ == "__main__":
    with at_work(snakemake):
        model = read_study(snakemake.config).models[snakemake.wildcards.model]
        where = {
            part: str(resolve(repository, revision, kind).resolve())
            for part, (repository, revision, kind) in hub_places(model).items()
        }
        write_text(snakemake.output[0], json.dumps(where, indent=1) + "\n")
