"""The problems of a file, put in order once and found again without reading the file.

A catalogue has an index (`index.py`), which is all that planning looks at, and the problems, in
parts: one for each segment of the file (`segments.py`), under a name that tells the segment, how it
is read, and the code that reads. So of a file that has grown only the new parts are made. All lies
in the cache, appears whole or not at all, and is made again when it is lost or damaged.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import Finding, bad
from cotsieve.problems.cataloguing import Found, catalogued
from cotsieve.problems.cells import shown
from cotsieve.problems.files.records import no_rows, refuse
from cotsieve.problems.files.segments import place
from cotsieve.problems.index import DECIDES, Kind, is_entry_of
from cotsieve.problems.problem import Problem
from cotsieve.problems.sources import check_columns, check_definition, columns_needed

AT_ONCE = 4096
"""Problems that are looked up together."""


def open_catalogue(name: str, definition: Mapping[str, Any], path: Path) -> "Catalogue":
    """The catalogue of a file, made if there is none.

    `definition` holds `format` (one of FORMATS), `columns` (for "columns": the file's names for
    question, solution, answer, steps, id), `id` (a column of ids), `variant` ("clean",
    "corrupted"), `where` (field → the values of rows that are asked for), `unanswered` ("leave_out"
    or None), `answers`, and `bad_rows`: "stop" refuses the file with every bad row, "record" keeps
    each as a problem with an `error`. Raises BadInput for those, and always for an unreadable file,
    an unmapped column or an id that occurs twice.
    """
    path = Path(path)
    check_definition(name, definition)
    found = catalogued(name, definition, path)
    refuse(_told(path, found.note["damage"]), found.note["more damage"])
    if not found.note["rows"]:
        raise no_rows(path)
    check_columns(path, found.note["columns"], columns_needed(definition))
    catalogue = Catalogue(name, definition, path, found)
    stops = definition.get("bad_rows", "stop") == "stop"
    faults = _told(path, found.note["faults"]) if stops else []
    refuse(faults + _repeated_ids(catalogue), found.note["more faults"] if stops else 0)
    return catalogue


class Catalogue:
    """The problems of a source, by their places in the order of its file."""

    def __init__(self, name: str, definition: Mapping[str, Any], path: Path, found: Found):
        self.name, self._definition, self._path = name, definition, path
        self.folder = found.folder
        """Where it lies, with the catalogues of all files that are read alike."""
        self._parts = found.note["parts"]
        self.index = found.index
        """ENTRY per problem, in the order of the file; it lies on disk."""
        self.kinds = [Kind(*kind) for kind in found.note["kinds"]]
        self.rows: int = found.note["rows"]
        """Rows of the file, those left out among them."""
        self.left_out: dict[str, int] = found.note["left out"]
        """Reason → rows that are not asked for."""

    @cached_property
    def places(self) -> np.ndarray:
        """Where the problems stand in the index: all, but for pairs that are there twice."""
        if self._definition["format"] != "pairs":
            return np.arange(len(self.index))
        first: dict[tuple, int] = {}
        for at, told in enumerate(self.index[DECIDES].tolist()):
            first.setdefault(told[:-1], at)  # the row apart
        return np.fromiter(first.values(), np.int64)

    def of_kind(self, wanted: list[bool]) -> np.ndarray:
        """For every place whether its kind is wanted; `wanted` goes with `kinds`."""
        return np.array(wanted, bool)[self.index["kind"]]

    @cached_property
    def usable(self) -> np.ndarray:
        """For every place whether its row can be used."""
        return self.of_kind([not kind.failed for kind in self.kinds])

    def problems(self, places: np.ndarray | None = None) -> Iterator[Problem]:
        """The problems at some places, which ascend, or all of them; a row group is in memory.

        Raises BadInput when a part of the catalogue is damaged.
        """
        places = self.places if places is None else places
        for group in np.unique(self._group_of(places)):
            start, end = self._starts[group], self._starts[group + 1]
            low, high = np.searchsorted(places, (start, end))
            for at in range(low, high, AT_ONCE):
                chosen = places[at : min(at + AT_ONCE, high)]
                yield from self._checked(chosen, self._read(group, chosen - start))

    def _checked(self, places: np.ndarray, rows: list[dict]) -> Iterator[Problem]:
        for at, row in zip(places, rows, strict=True):
            problem = Problem(source=self.name, **row)
            if not is_entry_of(self.index[at], problem):
                raise self._damaged(f"row {problem.row} is not that of the index")
            yield problem

    def _read(self, group: int, rows: np.ndarray) -> list[dict]:
        part = int(np.searchsorted(self._first_groups, group, "right")) - 1
        file = self.folder / f"{self._parts[part]['key']}.parquet"
        try:
            opened = pq.ParquetFile(file, page_checksum_verification=True)
            table = opened.read_row_group(int(group - self._first_groups[part]))
            return table.take(pa.array(rows)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(str(error).splitlines()[0]) from None

    def _damaged(self, what: str) -> Exception:
        mend = f"Delete it and run again: rm -r '{self.folder}'"
        return bad(self._path, f"its catalogue is damaged ({what[:200]})", mend)

    def _group_of(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._starts, places, "right") - 1

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where the row groups of all parts start, and where the last ends."""
        sizes = [size for part in self._parts for size in part["groups"]]
        return np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))])

    @cached_property
    def _first_groups(self) -> np.ndarray:
        """The number of the first row group of every part."""
        counts = [len(part["groups"]) for part in self._parts]
        return np.concatenate([[0], np.cumsum(np.array(counts, np.int64))])[:-1]


def _told(path: Path, findings: list) -> list[Finding]:
    return [Finding(place(path, row, line), what, mend) for row, line, what, mend in findings]


def _repeated_ids(catalogue: Catalogue) -> list[Finding]:
    first: dict[str, int] = {}
    return [
        Finding(
            place(catalogue._path, problem.row),
            f"its id {shown(problem.problem_id)} is also that of row {first[problem.problem_id]}",
            "Give each row its own id, or remove one of the two.",
        )
        for problem in catalogue.problems(alike(catalogue.index["identity"], catalogue.places))
        if first.setdefault(problem.problem_id, problem.row) != problem.row
    ]


def alike(keys: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Those places at which keys stand that also stand at another one, in order."""
    chosen = np.asarray(keys)[places]
    ordered = np.sort(chosen)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return places[np.isin(chosen, twice)] if len(twice) else places[:0]
