"""Which problems each job works on, known before anything is fetched or loaded.

A shard is a fixed range of rows of one source, so growth only adds shards. What a shard holds is
told to Snakemake by a digest of its content: of the problems themselves where the source is a local
file, of the pinned commit where it lies on a hub. A job re-reads its problems and checks them
against that digest, so the code that reads sources cannot change a result behind Snakemake's back.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from cotsieve.ground.faults import bad
from cotsieve.ground.files import content_digest
from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Pool
from cotsieve.problems.problem import Problem
from cotsieve.problems.stratify_by import stratify
from cotsieve.study.plan.shards import (
    Shard,
    cut,
    exact_shards,
    prompts_digest,
    references_digest,
)
from cotsieve.study.plan.sources import Sources
from cotsieve.study.settings.part import decided, plain
from cotsieve.study.settings.places import located
from cotsieve.study.settings.sources import exclusion_definition


class Plan(Sources):
    """The shards of a study and the problems in them."""

    def candidates(self) -> Iterator[Problem]:
        """The candidates in the strata the study sorts them into; every source must be on disk."""
        names = itertools.chain.from_iterable(self.strata())
        for problem, name in zip(self.selection.problems(), names, strict=True):
            yield replace(problem, stratum=name)

    def strata(self) -> list[np.ndarray]:
        """The stratum of each candidate, for each source."""
        how = self.study.strata
        return stratify(how.by, self.selection.pools, how.parts)

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard that can hold a candidate, in order."""
        if self._fetches:
            return self._expected_shards()
        return self._exact(self.selection.pools)

    def _exact(self, pools: list[Pool]) -> list[Shard]:
        return [shard for pool in pools for shard in exact_shards(pool, self.shard_size)]

    def sources_for(self, source: str, shard: str) -> list[str]:
        """The sources that tell which problems a shard holds, in order.

        They are its own, and those before it where the limit may cut the shard; all, if the
        candidates are a sample.
        """
        names = list(self.study.sources)
        if self.study.select.sample:
            return names
        earlier = names[: names.index(source)]
        limit, size = self.study.select.limit, self.shard_size
        if limit is None:
            return [source]
        most = self._rows
        rows = sum(most[name] for name in earlier) + min((int(shard) + 1) * size, most[source])
        return [*earlier, source] if rows > limit else [source]

    def planned(self, source: str, shard: str, prompts: str) -> list[Problem]:
        """The problems of a shard, which must be those of the digest `prompts`."""
        return self._checked(source, shard, "prompts", prompts)

    def planned_answers(self, source: str, shard: str, references: str) -> dict[str, str]:
        """Problem id → reference answer, which must be those of the digest `references`."""
        problems = self._checked(source, shard, "references", references)
        return {problem.problem_id: problem.answer for problem in problems}

    def held(self, shard: Shard) -> list[Problem]:
        """The problems of a shard of this plan."""
        return self._held(shard.source, shard.index)

    def _checked(self, source: str, shard: str, what: str, planned: str) -> list[Problem]:
        if source in self.known_sources():
            problems = self._held(source, int(shard))
            found = {"prompts": prompts_digest, "references": references_digest}[what](problems)
        else:
            name = f"{source}/{shard}"
            pinned = next((item for item in self.shards if item.name == name), None)
            found = pinned and getattr(pinned, what)
            problems = self._held(source, int(shard)) if found == planned else []
        if found != planned:
            raise bad(
                self.source_file(source),
                f"the rows of shard {source}/{shard} are not those that were planned",
                "The file changed while the workflow ran; run it again.",
            )
        return problems

    def _held(self, source: str, index: int) -> list[Problem]:
        """The problems of a shard; only the sources that decide them must be on disk."""
        names = self.sources_for(source, str(index))
        limit = self.study.select.limit if len(names) > 1 or self._first(source) else None
        pool = self.selected(names, limit).pools[names.index(source)]
        return list(cut(pool, self.shard_size, index).problems())

    def _first(self, source: str) -> bool:
        """Whether no source comes before this one, so that the limit counts in it alone."""
        return source == next(iter(self.study.sources))

    def _surely(self, name: str, index: int, held: int) -> int:
        """How many problems a shard of a source has at least, before any exclusion."""
        source = self.study.sources[name]
        if source.hub:
            return held if source.asks_for_all else 0
        return self._on_disk[name, index]

    @cached_property
    def _on_disk(self) -> Counter[tuple[str, int]]:
        """(source, shard) → problems, of the sources that need not be fetched."""
        local = [name for name, source in self.study.sources.items() if not source.hub]
        found: Counter[tuple[str, int]] = Counter()
        for name in local:
            numbers, counts = np.unique(
                self.asked(name).field("row") // self.shard_size, return_counts=True
            )
            found |= {(name, int(n)): int(c) for n, c in zip(numbers, counts, strict=True)}
        return found

    def content_digest(self) -> str:
        """Digest of every candidate with all its fields, or of the pins that decide them."""
        if self._fetches:
            return digest(self._definitions())
        matches = [match._asdict() for match in self.selection.matches]
        pools = [[pool.catalogue.name, pool.content()] for pool in self.selection.pools]
        return digest(pools, decided(self.study.strata), matches, self.left_out())

    def _definitions(self) -> list[object]:
        sources = [[name, self.definition(name), self._pin(name)] for name in self.study.sources]
        decides = [sources, self._excluded, self.study.select.limit, decided(self.study.strata)]
        sample = self.study.select.sample
        return [*decides, plain(sample)] if sample else decides

    @cached_property
    def _excluded(self) -> list[object]:
        """What decides the exclusions."""
        return [
            [exclusion_definition(item), content_digest(located(item.path))]
            for item in self.study.select.exclude
        ]

    def _pin(self, name: str) -> object:
        """What decides the rows of a source: the commit on a hub, or the content of the file."""
        source = self.study.sources[name]
        return plain(source.hub) if source.hub else content_digest(located(source.path))

    def known_sources(self) -> list[str]:
        """Local sources whose candidates do not depend on a source that may not be fetched yet."""
        local = {name: source.hub is None for name, source in self.study.sources.items()}
        if self.study.select.sample:
            return list(local) if all(local.values()) else []
        if self.study.select.limit is None:
            return [name for name in local if local[name]]
        return list(itertools.takewhile(local.get, local))

    def _expected_shards(self) -> list[Shard]:
        """Shards of a study with sources that may not be fetched yet.

        How many rows the exclusions match is unknown then, so bounds are kept on the number of
        candidates so far; only shards the limit may cut depend on the limit. Shards of local
        sources are known exactly unless a limit counts fetched rows before them.
        """
        known = self.known_sources()
        limit, size = self.study.select.limit, self.shard_size
        sample = self.study.select.sample
        exact = self._exact(self.selected(known, limit).pools) if known else []
        entries = sum(len(exclusion.values) for exclusion in self.exclusions)
        shards, rows_so_far, sure, pins = [], 0, 0, []
        for name in self.study.sources:
            rows = self._rows[name]
            pins.append([name, self._pin(name), self.definition(name)])
            if name in known:
                shards += [shard for shard in exact if shard.source == name]
                rows_so_far += rows
                sure += len(self.asked(name).places)
                continue
            for index in range(-(-rows // size)):
                if limit is not None and not sample and sure - entries >= limit:
                    return shards
                held = min(size, rows - index * size)
                rows_so_far += held
                sure += self._surely(name, index, held)
                at_limit = limit is not None and rows_so_far > limit
                decides = [limit, *pins] if at_limit else pins[-1]
                decides = self._definitions() if sample else decides
                pinned = digest(name, size, index, self._excluded, decides)
                shards.append(Shard(name, index, held, pinned, pinned))
        return shards
