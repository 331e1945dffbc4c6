"""Fetch a hub split. Out: its rows as one Parquet file."""

from cotsieve.problems.hub_split import fetch_split
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.settings.reading import read_study

if __name__ == "__main__":
    with at_work(snakemake):
        hub = read_study(snakemake.config).sources[snakemake.wildcards.source].hub
        fetch_split(hub.repo, hub.config, hub.split, hub.revision, snakemake.output[0])
