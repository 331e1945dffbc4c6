"""Which problems each job works on, known before anything is fetched or loaded.

A shard is a fixed range of rows of one source, so growth only adds shards. What a shard holds is
told to Snakemake by a digest of its content: of the problems themselves where the source is a local
file, of the pinned commit where it lies on a hub. A job re-reads its problems and checks them
against that digest, so the code that reads sources cannot change a result behind Snakemake's back.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cotsieve.ground.faults import bad
from cotsieve.ground.files import content_digest
from cotsieve.ground.seeds import digest
from cotsieve.problems.candidates import Selection, read_exclusion, select
from cotsieve.problems.problem import Problem
from cotsieve.problems.sources import read_source
from cotsieve.study.places import located
from cotsieve.study.settings import Exclusion, Source, Study, plain


@dataclass(frozen=True)
class Shard:
    """A range of rows of a source, and what it holds."""

    source: str
    index: int
    prompts: str
    """Digest of what generation reads: ids and questions, in order."""
    references: str
    """Digest of what grading reads: ids and reference answers."""

    @property
    def name(self) -> str:
        return f"{self.source}/{self.index:04d}"


class Plan:
    """The shards of a study and the problems in them."""

    def __init__(self, study: Study):
        self.study = study
        self._problems: dict[str, list[Problem]] = {}

    def source_file(self, name: str) -> Path:
        """The local file of a source; for a hub source the one the fetch rule writes."""
        source = self.study.sources[name]
        if source.path is not None:
            return located(source.path)
        folder = Path("results") / self.study.study / "sources"
        return folder / f"{name}-{digest(plain(source.hub))[:8]}.parquet"

    def problems(self, name: str) -> list[Problem]:
        """All problems of a source that is on disk."""
        if name not in self._problems:
            source, path = self.study.sources[name], self.source_file(name)
            problems = read_source(name, source_definition(source), path)
            if source.hub is not None and len(problems) != source.hub.rows:
                raise bad(
                    f"sources.{name}.hub.rows",
                    f"{source.hub.rows} rows expected, the file has {len(problems)}",
                    "Set rows to the number of rows of that split at that commit.",
                )
            self._problems[name] = problems
        return self._problems[name]

    @cached_property
    def selection(self) -> Selection:
        """The candidates of the whole study; every source must be on disk."""
        sources = [self.problems(name) for name in self.study.sources]
        exclusions = [
            read_exclusion(located(item.path), exclusion_definition(item))
            for item in self.study.select.exclude
        ]
        return select(sources, exclusions, self.study.select.limit)

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard that can hold a candidate, in order."""
        if any(source.hub for source in self.study.sources.values()):
            return self._expected_shards()
        return [
            Shard(source, index, prompts_digest(problems), references_digest(problems))
            for (source, index), problems in self._by_shard.items()
        ]

    def planned(self, source: str, shard: str, prompts: str) -> list[Problem]:
        """The problems of a shard, which must be those of the digest `prompts`."""
        return self._checked(source, shard, "prompts", prompts)

    def planned_answers(self, source: str, shard: str, references: str) -> dict[str, str]:
        """Problem id → reference answer, which must be those of the digest `references`."""
        problems = self._checked(source, shard, "references", references)
        return {problem.problem_id: problem.answer for problem in problems}

    def _checked(self, source: str, shard: str, what: str, planned: str) -> list[Problem]:
        name = f"{source}/{shard}"
        found = next((item for item in self.shards if item.name == name), None)
        if found is None or getattr(found, what) != planned:
            raise bad(
                self.source_file(source),
                f"the rows of shard {name} are not those that were planned",
                "The file changed while the workflow ran; run it again.",
            )
        return self._by_shard.get((source, found.index), [])

    def reference_source(self, sweep: str) -> str:
        """The source whose first problems give a sweep its means and donors."""
        return self.study.sweeps[sweep].reference.source or next(iter(self.study.sources))

    def reference_problems(self, sweep: str) -> list[Problem]:
        """The problems whose activations give means and donors; the source must be on disk."""
        reference, name = self.study.sweeps[sweep].reference, self.reference_source(sweep)
        usable = [problem for problem in self.problems(name) if problem.error is None]
        return usable[: reference.problems]

    def reference_digest(self, sweep: str) -> str:
        """What generation needs to know of the reference problems."""
        reference, name = self.study.sweeps[sweep].reference, self.reference_source(sweep)
        source = self.study.sources[name]
        if source.hub is not None:
            return digest(plain(source.hub), source_definition(source), reference.problems)
        return prompts_digest(self.reference_problems(sweep))

    def content_digest(self) -> str:
        """Digest of every candidate with all its fields, or of the pins that decide them."""
        return digest(
            [[shard.name, shard.prompts, shard.references] for shard in self.shards],
            self._definitions(),
        )

    def _definitions(self) -> list[object]:
        exclusions = [
            [exclusion_definition(item), content_digest(located(item.path))]
            for item in self.study.select.exclude
        ]
        sources = [
            [
                name,
                source_definition(source),
                plain(source.hub) if source.hub else content_digest(located(source.path)),
            ]
            for name, source in self.study.sources.items()
        ]
        return [sources, exclusions, self.study.select.limit]

    @cached_property
    def _by_shard(self) -> dict[tuple[str, int], list[Problem]]:
        size = self.study.engine.shard_size
        groups: dict[tuple[str, int], list[Problem]] = {}
        for problem in self.selection.problems:
            groups.setdefault((problem.source, problem.row // size), []).append(problem)
        return groups

    def _expected_shards(self) -> list[Shard]:
        """Shards of a study with sources that may not be fetched yet.

        How many rows the exclusions match is unknown then, so bounds are kept on the number of
        candidates so far; only shards the limit may cut depend on the limit.
        """
        limit = self.study.select.limit
        excluded = [
            [exclusion_definition(item), content_digest(located(item.path))]
            for item in self.study.select.exclude
        ]
        entries = sum(
            len(read_exclusion(located(item.path), exclusion_definition(item)).values)
            for item in self.study.select.exclude
        )
        shards, rows_so_far = [], 0
        for name, source in self.study.sources.items():
            rows = source.hub.rows if source.hub else len(self.problems(name))
            size = self.study.engine.shard_size
            for index in range(-(-rows // size)):
                if limit is not None and rows_so_far - entries >= limit:
                    return shards
                rows_so_far += min(size, rows - index * size)
                cut = limit if limit is not None and rows_so_far > limit else None
                pin = plain(source.hub) if source.hub else content_digest(located(source.path))
                pinned = digest(name, pin, source_definition(source), size, index, excluded, cut)
                shards.append(Shard(name, index, pinned, pinned))
        return shards


def exclusion_definition(item: Exclusion) -> dict[str, object]:
    """How an exclusion list is read, without where it lies."""
    definition = plain(item)
    columns = {key: column for key, column in definition["columns"].items() if column}
    field = columns.get("id") if item.by == "id" else columns.get("question")
    return {
        "format": item.format,
        "by": item.by,
        "field": field,
        "columns": columns,
        "variant": item.variant,
    }


def source_definition(source: Source) -> dict[str, object]:
    """How a source is read, without where it lies."""
    definition = plain(source)
    columns = {key: column for key, column in definition["columns"].items() if column}
    return {
        "format": source.format,
        "columns": columns,
        "id": columns.get("id"),
        "variant": source.variant,
        "bad_rows": source.bad_rows,
    }


def prompts_digest(problems: list[Problem]) -> str:
    """Digest of what generation reads of problems."""
    return digest([[problem.problem_id, problem.question, problem.error] for problem in problems])


def references_digest(problems: list[Problem]) -> str:
    """Digest of what grading reads of problems."""
    return digest([[problem.problem_id, problem.answer] for problem in problems])
