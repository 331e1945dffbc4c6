"""Which problems each job works on, known before anything is fetched or loaded.

A shard is a fixed range of rows of one source, so growth only adds shards. What a shard holds is
told to Snakemake by a digest of its content: of the problems themselves where the source is a local
file, of the pinned commit where it lies on a hub. A job re-reads its problems and checks them
against that digest, so the code that reads sources cannot change a result behind Snakemake's back.
"""

import itertools
from collections import Counter
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path

from cotsieve.ground.faults import bad
from cotsieve.ground.files import content_digest
from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Exclusion as Listed
from cotsieve.problems.candidates import Selection, read_exclusion, select
from cotsieve.problems.problem import Problem, written_chain
from cotsieve.problems.sources import read_source
from cotsieve.problems.stratify_by import stratify
from cotsieve.study.plan.shards import Groups, Shard, exact_shards, grouped
from cotsieve.study.settings.outcome import SYMBOLIC
from cotsieve.study.settings.part import decided, plain
from cotsieve.study.settings.places import located
from cotsieve.study.settings.sources import exclusion_definition, source_definition
from cotsieve.study.settings.study import Study


class Plan:
    """The shards of a study and the problems in them."""

    def __init__(self, study: Study):
        self.study = study
        self.files: dict[str, str] = {}
        """Source → its file, where that is not the usual one."""
        self._problems: dict[str, list[Problem]] = {}
        self._fetched: dict[tuple[str | int | None, ...], Groups] = {}

    def source_file(self, name: str) -> Path:
        """The local file of a source; for a hub source the one the fetch rule writes."""
        if name in self.files:
            return Path(self.files[name])
        source = self.study.sources[name]
        if source.path is not None:
            return located(source.path)
        folder = Path("results") / self.study.study / "sources"
        return folder / f"{name}-{digest(plain(source.hub))[:8]}.parquet"

    def problems(self, name: str) -> list[Problem]:
        """The problems of a source that is on disk, as far as the study asks for them."""
        below = self.study.sources[name].chain_below
        if below is None:
            return self.rows(name)
        return [
            problem
            for problem in self.rows(name)
            if problem.error is None and len(written_chain(problem).split()) < below
        ]

    def rows(self, name: str) -> list[Problem]:
        """All problems of a source that is on disk."""
        if name not in self._problems:
            source, path = self.study.sources[name], self.source_file(name)
            problems = read_source(name, self._definition(name), path)
            if source.hub is not None and len(problems) != source.hub.rows:
                raise bad(
                    f"sources.{name}.hub.rows",
                    f"{source.hub.rows} rows expected, the file has {len(problems)}",
                    "Set rows to the number of rows of that split at that commit.",
                )
            self._problems[name] = problems
        return self._problems[name]

    def _definition(self, name: str) -> dict[str, object]:
        """How a source is read; its answers may be LaTeX where the grader compares that."""
        source = self.study.sources[name]
        latex = source.format == "columns" and self.study.grading.grader in SYMBOLIC
        return source_definition(source) | ({"latex": True} if latex else {})

    @cached_property
    def selection(self) -> Selection:
        """The candidates of the whole study; every source must be on disk."""
        sources = [self.problems(name) for name in self.study.sources]
        return select(sources, self._exclusions, self.study.select.limit)

    def candidates(self) -> list[Problem]:
        """The candidates in the strata the study sorts them into."""
        problems, strata = self.selection.problems, self.study.strata
        names = stratify(strata.by, problems, strata.parts)
        return [
            replace(problem, stratum=name) for problem, name in zip(problems, names, strict=True)
        ]

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard that can hold a candidate, in order."""
        if self._fetches:
            return self._expected_shards()
        return exact_shards(self.selection.problems, self.study.engine.shard_size)

    def sources_for(self, source: str, shard: str) -> list[str]:
        """The sources that tell which problems a shard holds, in order.

        They are its own, and those before it where the limit may cut the shard.
        """
        names = list(self.study.sources)
        earlier = names[: names.index(source)]
        limit, size = self.study.select.limit, self.study.engine.shard_size
        most = self._rows
        rows = sum(most[name] for name in earlier) + min((int(shard) + 1) * size, most[source])
        return [*earlier, source] if limit is not None and rows > limit else [source]

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
        name = f"{source}/{shard}"
        found = next((item for item in self.shards if item.name == name), None)
        if found is None or getattr(found, what) != planned:
            raise bad(
                self.source_file(source),
                f"the rows of shard {name} are not those that were planned",
                "The file changed while the workflow ran; run it again.",
            )
        return self._held(source, found.index)

    def _held(self, source: str, index: int) -> list[Problem]:
        """The problems of a shard; only the sources that decide them must be on disk."""
        if not self._fetches:
            return self._by_shard.get((source, index), [])
        names = self.sources_for(source, str(index))
        limit = self.study.select.limit if len(names) > 1 or self._first(source) else None
        key = (*names, limit)
        if key not in self._fetched:
            sources = [self.problems(name) for name in names]
            found = select(sources, self._exclusions, limit).problems
            self._fetched[key] = grouped(found, self.study.engine.shard_size)
        return self._fetched[key].get((source, index), [])

    def _first(self, source: str) -> bool:
        """Whether no source comes before this one, so that the limit counts in it alone."""
        return source == next(iter(self.study.sources))

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Source → how many rows it has at most, those left out among them."""
        return {
            name: source.hub.rows
            if source.hub
            else max((problem.row + 1 for problem in self.problems(name)), default=0)
            for name, source in self.study.sources.items()
        }

    def _surely(self, name: str, index: int, held: int) -> int:
        """How many problems a shard of a source has at least, before any exclusion."""
        source = self.study.sources[name]
        if source.hub:
            return 0 if source.chain_below else held
        return self._on_disk[name, index]

    @cached_property
    def _on_disk(self) -> Counter[tuple[str, int]]:
        """(source, shard) → problems, of the sources that need not be fetched."""
        size, sources = self.study.engine.shard_size, self.study.sources
        local = [name for name, source in sources.items() if not source.hub]
        return Counter(
            (name, problem.row // size) for name in local for problem in self.problems(name)
        )

    @property
    def _fetches(self) -> bool:
        return any(source.hub for source in self.study.sources.values())

    @cached_property
    def _exclusions(self) -> list[Listed]:
        return [
            read_exclusion(located(item.path), exclusion_definition(item))
            for item in self.study.select.exclude
        ]

    def content_digest(self) -> str:
        """Digest of every candidate with all its fields, or of the pins that decide them."""
        if self._fetches:
            return digest(self._definitions())
        matches = [match._asdict() for match in self.selection.matches]
        return digest([astuple(problem) for problem in self.candidates()], matches)

    def _definitions(self) -> list[object]:
        sources = [[name, self._definition(name), self._pin(name)] for name in self.study.sources]
        return [sources, self._excluded, self.study.select.limit, decided(self.study.strata)]

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

    @cached_property
    def _by_shard(self) -> Groups:
        return grouped(self.selection.problems, self.study.engine.shard_size)

    def known_sources(self) -> list[str]:
        """Local sources whose candidates do not depend on a source that may not be fetched yet."""
        local = {name: source.hub is None for name, source in self.study.sources.items()}
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
        sources = [self.problems(name) for name in known]
        limit, size = self.study.select.limit, self.study.engine.shard_size
        exact = exact_shards(select(sources, self._exclusions, limit).problems, size)
        entries = sum(len(exclusion.values) for exclusion in self._exclusions)
        shards, rows_so_far, sure, pins = [], 0, 0, []
        for name in self.study.sources:
            rows = self._rows[name]
            pins.append([name, self._pin(name), self._definition(name)])
            if name in known:
                shards += [shard for shard in exact if shard.source == name]
                rows_so_far += rows
                sure += len(self.problems(name))
                continue
            for index in range(-(-rows // size)):
                if limit is not None and sure - entries >= limit:
                    return shards
                held = min(size, rows - index * size)
                rows_so_far += held
                sure += self._surely(name, index, held)
                cut = limit is not None and rows_so_far > limit
                decides = [limit, *pins] if cut else pins[-1]
                pinned = digest(name, size, index, self._excluded, decides)
                shards.append(Shard(name, index, held, pinned, pinned))
        return shards
