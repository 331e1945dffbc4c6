"""Fetch a hub split. Out: its rows as one Parquet file."""

from cotsieve.ground.joblog import logging_to
from cotsieve.problems.hub_split import fetch_split
from cotsieve.study.settings.reading import read_study

if __name__ == "__main__":
    with logging_to(snakemake.log[0]):
        hub = read_study(snakemake.config).sources[snakemake.wildcards.source].hub
        fetch_split(hub.repo, hub.config, hub.split, hub.revision, snakemake.output[0])
