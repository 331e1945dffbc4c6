"""What the sources of a study hold, as their catalogues tell it: candidates and rows left out."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from cotsieve.ground.faults import bad
from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Exclusion, Pool, Selection, read_exclusion, select
from cotsieve.problems.catalogue import Catalogue, open_catalogue
from cotsieve.problems.sampling import sampled
from cotsieve.study.settings.outcome import SYMBOLIC
from cotsieve.study.settings.part import plain
from cotsieve.study.settings.places import located
from cotsieve.study.settings.sources import exclusion_definition, source_definition
from cotsieve.study.settings.study import Study

SMALLEST_SHARD = 250
MOST_SHARDS = 500
"""A study has no more shards, unless it says how large they are; each is a few jobs."""


class Sources:
    """The problems of a study's sources. Those of a hub must be on disk to be asked for."""

    def __init__(self, study: Study):
        self.study = study
        self.files: dict[str, str] = {}
        """Source → its file, where that is not the usual one."""
        self._catalogues: dict[str, Catalogue] = {}
        self._selections: dict[tuple[str | int | None, ...], Selection] = {}

    def source_file(self, name: str) -> Path:
        """The local file of a source; for a hub source the one the fetch rule writes."""
        if name in self.files:
            return Path(self.files[name])
        source = self.study.sources[name]
        if source.path is not None:
            return located(source.path)
        folder = Path("results") / self.study.study / "sources"
        return folder / f"{name}-{digest(plain(source.hub))[:8]}.parquet"

    def catalogue(self, name: str) -> Catalogue:
        """All problems of a source."""
        if name not in self._catalogues:
            source, path = self.study.sources[name], self.source_file(name)
            found = open_catalogue(name, self.definition(name), path)
            if source.hub is not None and found.rows != source.hub.rows:
                raise bad(
                    f"sources.{name}.hub.rows",
                    f"{source.hub.rows} rows expected, the file has {found.rows}",
                    "Set rows to the number of rows of that split at that commit.",
                )
            if found.left_out and not len(found.places):
                what = f"none of its {found.rows:,} rows is asked for ({_counted(found.left_out)})"
                raise bad(f"sources.{name}", what, "Correct its keys where and unanswered.")
            self._catalogues[name] = found
        return self._catalogues[name]

    def definition(self, name: str) -> dict[str, object]:
        """How a source is read; its answers may be LaTeX where the grader compares that."""
        source = self.study.sources[name]
        latex = source.format == "columns" and self.study.grading.grader in SYMBOLIC
        return source_definition(source) | ({"latex": True} if latex else {})

    def asked(self, name: str) -> Pool:
        """The problems of a source, as far as the study asks for them."""
        found, below = self.catalogue(name), self.study.sources[name].chain_below
        pool = Pool(found, found.places)
        if below is None:
            return pool
        return pool.only(found.usable[pool.places] & (pool.field("chain") < below))

    def selected(self, names: Sequence[str], limit: int | None) -> Selection:
        """The candidates of some sources alone, which must be on disk."""
        key = (*names, limit)
        if key not in self._selections:
            pools = [self.asked(name) for name in names]
            self._selections[key] = select(pools, self.exclusions, limit, self._sample)
        return self._selections[key]

    @cached_property
    def selection(self) -> Selection:
        """The candidates of the whole study."""
        return self.selected(list(self.study.sources), self.study.select.limit)

    @property
    def binding_limit(self) -> int | None:
        """The limit, unless there are fewer candidates; known where no source is fetched."""
        limit = self.study.select.limit
        if limit is None or self._fetches:
            return limit
        chosen = sum(len(pool.places) for pool in self.selection.pools)
        return limit if chosen >= limit else None

    def left_out(self) -> dict[str, dict[str, int]]:
        """Source → reason → rows that its keys leave out, where there are any."""
        found = {name: self.catalogue(name).left_out for name in self.study.sources}
        return {name: reasons for name, reasons in found.items() if reasons}

    @cached_property
    def exclusions(self) -> list[Exclusion]:
        """The lists of problems that are left out."""
        return [
            read_exclusion(located(item.path), exclusion_definition(item))
            for item in self.study.select.exclude
        ]

    @cached_property
    def shard_size(self) -> int:
        """Rows of a source in one job. Shards double in size where there would be too many."""
        chosen, sample = self.study.engine.shard_size, self.study.select.sample
        if chosen != "auto":
            return chosen
        rows, most = sum(self._rows.values()), MOST_SHARDS
        if sample:
            most = min(most, -(-sample.rows // SMALLEST_SHARD))
        size = SMALLEST_SHARD
        while rows > size * most:
            size *= 2
        whole = self.study.publish.fill_round
        return int(np.gcd(size, whole)) if whole else size

    def _sample(self, pools: list[Pool]) -> list[Pool]:
        chosen = self.study.select.sample
        if chosen is None:
            return pools
        strata = self.study.strata if chosen.by == "stratum" else None
        return sampled(pools, chosen.rows, chosen.seed, strata and (strata.by, strata.parts))

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Source → how many rows it has at most, those left out among them."""
        return {
            name: source.hub.rows
            if source.hub
            else int(max(self.asked(name).field("row"), default=-1)) + 1
            for name, source in self.study.sources.items()
        }

    @property
    def _fetches(self) -> bool:
        return any(source.hub for source in self.study.sources.values())


def _counted(reasons: dict[str, int]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
