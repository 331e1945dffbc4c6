"""The rollouts and grades of all shards of a model, as one table in one order.

The gap between the best two first-token logits (`margin`) is left out on purpose: its last bits
depend on the shape of the batch a problem was in, and the merged table must not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.grades import GRADES
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput, Finding
from cotsieve.rollouts.schema import ROLLOUTS

MERGED = pa.schema(
    [
        ("sweep", pa.string()),
        ("condition", pa.string()),
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("source", pa.string()),
        ("row", pa.int32()),
        ("stratum", pa.string()),
        ("steps", pa.int32()),
        ("answer", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("answer_text", pa.string()),
        ("thought_tokens", pa.int32()),
        ("answer_tokens", pa.int32()),
        ("finish_reason", pa.string()),
        (
            "error",
            pa.string(),
        ),  # why there is no rollout or verdict, or that an answer was not read
        ("prediction", pa.string()),
        ("verdict", pa.string()),
        ("followed", pa.bool_()),  # the answer is that of the altered reasoning
        ("read_digest", pa.string()),
        ("donor", pa.string()),
        ("seed", pa.int64()),
        ("changed_start", pa.int32()),
        ("changed_end", pa.int32()),
        ("altered_to", pa.string()),
    ]
)
ROWS_PER_GROUP = 16_384
"""Rows of a Parquet row group; fixed, so that the file's bytes do not depend on the shards."""

_KEY = ["problem_id", "condition", "sample"]
_ABOUT = ["source", "row", "stratum", "steps", "answer"]
"""What the table of problems adds to a rollout."""
_SHOWN = 5


class Part(NamedTuple):
    """The rollouts of one shard of a sweep, and their grades."""

    sweep: str
    rollouts: Path
    grades: Path


class _Places(NamedTuple):
    """Where the rows of a part stand: problem, condition and sample, as positions."""

    part: Part
    problem: np.ndarray
    condition: np.ndarray
    sample: np.ndarray


class _Placed(NamedTuple):
    """A part, and for every row its position in the merged sweep."""

    part: Part
    problem: np.ndarray
    position: np.ndarray


def merge(
    parts: Iterable[tuple[str, Path, Path]],
    problems: pa.Table,
    conditions: Mapping[str, Sequence[str]],
) -> pa.Table:
    """All rows, sorted by sweep, problem (order of `problems`), condition (order given), sample.

    `parts` are (sweep, path of the rollouts, path of their grades); `conditions` names the
    conditions of each sweep. The number of samples of a sweep is the largest found. Raises
    BadInput unless every problem x condition x sample is there exactly once.
    """
    return pa.concat_tables([MERGED.empty_table(), *_pieces(parts, problems, conditions)])


def write_merged(
    path: str | Path,
    parts: Iterable[tuple[str, Path, Path]],
    problems: pa.Table,
    conditions: Mapping[str, Sequence[str]],
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write what `merge` returns, holding only a few shards in memory at a time.

    The bytes depend on the rows and the provenance only.
    """
    with tables.writing(path, MERGED, provenance) as add:
        for group in _row_groups(_pieces(parts, problems, conditions)):
            add(group)


def _pieces(
    parts: Iterable[tuple[str, Path, Path]],
    problems: pa.Table,
    conditions: Mapping[str, Sequence[str]],
) -> Iterator[pa.Table]:
    """The merged table in order, in pieces as large as the shards that overlap."""
    all_parts = [Part(sweep, Path(rollouts), Path(grades)) for sweep, rollouts, grades in parts]
    problems = problems.select(["problem_id", *_ABOUT]).combine_chunks()
    known = _numbered(problems["problem_id"].to_pylist())
    findings: list[Finding] = []
    placed: dict[str, list[_Placed]] = {}
    for sweep in sorted({part.sweep for part in all_parts} | set(conditions)):
        names = list(conditions.get(sweep, ()))
        found = [_places(part, known, names, findings) for part in all_parts if part.sweep == sweep]
        placed[sweep] = _positions(sweep, found, problems, names, findings)
    if findings:
        raise BadInput(findings)
    for parts_of_sweep in placed.values():
        for group in _overlapping(parts_of_sweep):
            yield _piece(group, problems)


def _places(
    part: Part, problems: Mapping[str, int], conditions: list[str], findings: list[Finding]
) -> _Places:
    """Positions of a part's rows; rows of unknown problems or conditions are findings."""
    rollouts = tables.read(part.rollouts, ROLLOUTS, _KEY)
    grades = tables.read(part.grades, GRADES, _KEY)
    if not grades.equals(rollouts):
        what = f"its rows are not those of {part.rollouts}"
        findings.append(Finding(str(part.grades), what, _remake(part.grades)))
    index = {
        "problem_id": _places_in(problems, rollouts["problem_id"]),
        "condition": _places_in(_numbered(conditions), rollouts["condition"]),
    }
    for name, positions in index.items():
        unknown = rollouts[name].filter(pa.array(positions < 0)).unique().to_pylist()
        if unknown:
            what = f"it holds a {name} that sweep {part.sweep} does not have: {_some(unknown)}"
            findings.append(Finding(str(part.rollouts), what, _remake(part.rollouts)))
    sample = rollouts["sample"].to_numpy()
    known = (index["problem_id"] >= 0) & (index["condition"] >= 0)
    if not known.all():
        return _Places(part, *(a[known] for a in (*index.values(), sample)))
    return _Places(part, *index.values(), sample)


def _positions(
    sweep: str,
    found: list[_Places],
    problems: pa.Table,
    conditions: list[str],
    findings: list[Finding],
) -> list[_Placed]:
    """Positions in the merged sweep; rows that are doubled or missing are findings."""
    samples = max(
        (int(places.sample.max()) + 1 for places in found if len(places.sample)), default=1
    )
    placed = [
        _Placed(
            places.part,
            places.problem,
            (places.problem * len(conditions) + places.condition) * samples + places.sample,
        )
        for places in found
    ]
    seen = np.zeros(problems.num_rows * len(conditions) * samples, dtype=bool)
    for part, _, position in placed:
        unique, times = np.unique(position, return_counts=True)
        doubled = unique[seen[unique] | (times > 1)]
        seen[unique] = True
        if len(doubled):
            what = f"{len(doubled)} rows are there more than once: "
            what += _some(_named(doubled, problems, conditions, samples))
            findings.append(Finding(str(part.rollouts), what, _remake(part.rollouts)))
    missing = np.flatnonzero(~seen)
    if len(missing):
        what = f"{len(missing)} of {len(seen)} rollouts are missing: "
        what += _some(_named(missing, problems, conditions, samples))
        where = f"sweep {sweep} ({len(found)} shards)"
        findings.append(Finding(where, what, _remake_around(missing[0], placed)))
    return placed


def _remake_around(position: int, placed: list[_Placed]) -> str:
    """A missing row belongs to the shard whose stretch it lies in, or to one that is not there."""
    for part, _, positions in placed:
        if len(positions) and positions.min() < position < positions.max():
            return f"{part.rollouts} may be cut. {_remake(part.rollouts)}"
    return "Run the workflow again to make them."


def _overlapping(placed: list[_Placed]) -> Iterator[list[_Placed]]:
    """Parts in order; those whose stretches of the sweep interlock come together."""
    group: list[_Placed] = []
    end = -1
    filled = (part for part in placed if len(part.position))
    for part in sorted(filled, key=lambda part: int(part.position.min())):
        if group and int(part.position.min()) > end:
            yield group
            group = []
        group.append(part)
        end = max(end, int(part.position.max()))
    if group:
        yield group


def _piece(group: list[_Placed], problems: pa.Table) -> pa.Table:
    table = pa.concat_tables([_joined(placed, problems) for placed in group])
    order = np.argsort(np.concatenate([placed.position for placed in group]))
    return table.take(pa.array(order))


def _joined(placed: _Placed, problems: pa.Table) -> pa.Table:
    rollouts = tables.read(placed.part.rollouts, ROLLOUTS)
    grades = tables.read(placed.part.grades, GRADES)
    about = problems.select(_ABOUT).take(pa.array(placed.problem))
    columns = {
        "sweep": pa.array([placed.part.sweep] * rollouts.num_rows, pa.string()),
        **dict(zip(rollouts.column_names, rollouts.columns, strict=True)),
        **dict(zip(about.column_names, about.columns, strict=True)),
        **{name: grades[name] for name in ("prediction", "verdict", "followed")},
        "error": pc.coalesce(rollouts["error"], grades["reason"]),
    }
    return pa.Table.from_arrays([columns[name] for name in MERGED.names], schema=MERGED)


def _row_groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ROWS_PER_GROUP rows, each in one stretch of memory."""
    held = MERGED.empty_table()
    for piece in pieces:
        held = pa.concat_tables([held, piece])
        while held.num_rows >= ROWS_PER_GROUP:
            yield held.slice(0, ROWS_PER_GROUP).combine_chunks()
            held = held.slice(ROWS_PER_GROUP)
    if held.num_rows:
        yield held.combine_chunks()


def _numbered(values: Sequence[str]) -> dict[str, int]:
    """Value → its place; made once for all parts, each of which holds few of the problems."""
    return {value: place for place, value in enumerate(values)}


def _places_in(known: Mapping[str, int], values: pa.ChunkedArray) -> np.ndarray:
    """Places of values among those known, -1 where absent."""
    return np.array([known.get(value, -1) for value in values.to_pylist()], dtype=np.int64)


def _named(
    positions: np.ndarray, problems: pa.Table, conditions: list[str], samples: int
) -> list[str]:
    names = []
    for position in positions[: _SHOWN + 1].tolist():
        pair, sample = divmod(position, samples)
        problem, condition = divmod(pair, len(conditions))
        names.append(f"{problems['problem_id'][problem]} / {conditions[condition]} / {sample}")
    return names


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def _remake(path: Path) -> str:
    return f"Delete it and run again: rm '{path}'"
