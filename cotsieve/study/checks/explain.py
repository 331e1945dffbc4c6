"""What changed since a result was made, said in words: params of then and now are compared."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from cotsieve.ground.faults import BadInput
from cotsieve.ground.tables import read
from cotsieve.problems.index import prompt_of
from cotsieve.problems.problem import PROBLEMS, Problem, problems_from
from cotsieve.study.checks.work import told
from cotsieve.study.identity.ingredients import own_code
from cotsieve.study.plan.problems import Plan
from cotsieve.study.plan.shards import Shard, prompts_digest
from cotsieve.study.settings.defaults import default_of

DIGEST = re.compile(r"[0-9a-f]{12,64}")
LONGEST = 60
"""Values with more characters are not shown."""
SHOWN = 3
"""So many jobs or files are named one by one."""


class Explained(NamedTuple):
    """A planned job, and why it is planned."""

    rule: str
    job: str
    """Its wildcards, as model/sweep/source/shard."""
    reasons: tuple[str, ...]
    rows: float | None = None
    """It will make, or read; None where that is not counted."""
    seconds: float | None = None
    """As earlier jobs took; None where none tells."""


def changes(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    edited_rows: Callable[[str], int | None] = lambda digest: None,
    code_names: Mapping[str, str] | None = None,
) -> list[str]:
    """One sentence per change from the params of a result to those planned now.

    `edited_rows` says how many rows of the job's shard are not those of a digest, where known;
    `code_names` are paths by the digest of what lies there now.
    """
    before, now = map(_flat, (before, now))
    sentences = _told_code(before, now, code_names or {})
    for name in _unequal(before, now):
        old_value, new_value = before.get(name), now.get(name)
        if name == "problems":
            sentences += _told_problems(old_value, new_value, edited_rows)
        else:
            sentences += _TOLD.get(name, _told)((name,), old_value, new_value)
    return list(dict.fromkeys(sentences))


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """With what the tables say of their origin told param by param."""
    return {name: value for name, value in params.items() if name != "origin"} | dict(
        params.get("origin", {})
    )


def _told_code(before: dict[str, Any], now: dict[str, Any], names: Mapping[str, str]) -> list[str]:
    """What changed in the code, which is taken out of the values; a file counts by its content."""
    old, new = ({*_code(values)} for values in (before, now))
    if old == new:
        return []
    known = {own_code(digest) for digest in old}
    added = {own_code(digest) for digest in new} - known
    edited = sorted(names.get(digest, "a file") for digest in added)
    return [f"code: {_some(edited)} edited" if edited else "code: other files are used"]


def _code(values: dict[str, Any]) -> Iterator[str]:
    for part in ("code", "engine"):
        yield from values.pop(part, ())


def grouped(jobs: Iterable[Explained]) -> list[str]:
    """A line per rule and reasons, in the order given, with the jobs they hold for, and how many
    rows and how much time they come to."""
    groups: dict[tuple[str, tuple[str, ...]], list[Explained]] = {}
    total: dict[str, int] = {}
    for job in jobs:
        groups.setdefault((job.rule, job.reasons), []).append(job)
        total[job.rule] = total.get(job.rule, 0) + 1
    lines = []
    for (rule, reasons), some in groups.items():
        count = f" ×{len(some)}" if total[rule] > 1 else ""
        which = f" ({_some(job.job for job in some)})" if total[rule] > len(some) else ""
        cost = told(
            _UNITS.get(rule, "row"),
            _sum(job.rows for job in some),
            _sum(job.seconds for job in some),
        )
        lines.append(f"{rule}{count}{which}: {'; '.join(reasons)}{cost}")
    return lines


_UNITS = dict.fromkeys(("problems", "judge", "draw", "reason"), "problem")
"""What the jobs of a rule read, where it is not rollouts."""


def _sum(numbers: Iterable[float | None]) -> float | None:
    found = list(numbers)
    return None if None in found else sum(found)


def _unequal(old: Any, new: Any) -> list[str]:
    """Names whose values differ, in the order of now; what is gone comes last."""
    names = dict.fromkeys([*new, *old])
    return [name for name in names if repr(old.get(name)) != repr(new.get(name))]


Steps = tuple[str, ...]
"""The name of a param, and the keys that lead to a value inside it."""


def _told(path: Steps, old: Any, new: Any) -> Iterator[str]:
    where, default = ".".join(path), default_of(path)
    if default == {}:  # none of its keys was decided
        old, new = old or {}, new or {}
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if list(old) != list(new) and set(old) == set(new):
            yield f"{where}: the order changed"
        for name in _unequal(old, new):
            yield from _told((*path, name), old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _told_list(where, old, new)
    elif _is_digest(old) and _is_digest(new):
        yield f"{where}: content changed"
    elif isinstance(new, Mapping | list) and old is None:
        yield f"{where}: added"
    elif new is None and isinstance(old, Mapping | list):
        yield f"{where}: removed"
    else:
        yield f"{where}: {_shown(old, default)} → {_shown(new, default)}"


def _told_list(path: str, old: list, new: list) -> Iterator[str]:
    added = [item for item in new if item not in old]
    gone = [item for item in old if item not in new]
    if not added and not gone:
        yield f"{path}: the order changed"
    elif any(map(_is_digest, [*added, *gone])):
        yield f"{path}: content changed"
    else:
        if added:
            yield f"{path}: {_some(added)} added"
        if gone:
            yield f"{path}: {_some(gone)} removed"


def _told_problems(old: Any, new: Any, edited_rows: Callable[[str], int | None]) -> Iterator[str]:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        yield "problems: sources, exclusions, limit or strata changed" if old else "problems: added"
    elif old["rows"] != new["rows"]:
        yield f"problems: {old['rows']} rows → {new['rows']} rows"
    else:
        count, rows = edited_rows(old["content"]), new["rows"]
        known = f"{count} of {rows} rows changed"
        yield f"problems: {known if count else f'not the same {rows} rows as before'}"


def _told_libraries(path: Steps, old: Any, new: Any) -> Iterator[str]:
    old, new = old or {}, new or {}
    for name in _unequal(old, new):
        yield f"library {name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"


def _told_answers(path: Steps, old: Any, new: Any) -> Iterator[str]:
    yield "reference answers: changed, or those of other problems than before"


def _told_shards(path: Steps, old: Any, new: Any) -> Iterator[str]:
    before, now = set(old or []), set(new or [])
    for what, files in (("added", now - before), ("removed", before - now)):
        if files:
            yield f"shards: {len(files)} {what}"


def _told_reference(path: Steps, old: Any, new: Any) -> Iterator[str]:
    who = [value.get("ids") if isinstance(value, Mapping) else None for value in (old, new)]
    if None in who:
        yield "reference problems: " + ("chosen otherwise" if old and new else "added or removed")
        return
    before, now = who
    moves = (("entered", now, before), ("left", before, now))
    told = [
        f"{_some(moved)} {word}"
        for word, here, there in moves
        if (moved := [name for name in here if name not in there])
    ]
    yield f"reference problems: {', '.join(told) or 'the question of one was edited'}"


_TOLD = {
    "libraries": _told_libraries,
    "grader libraries": _told_libraries,
    "computing libraries": _told_libraries,
    "answers": _told_answers,
    "shards": _told_shards,
    "reference problems": _told_reference,
}


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _shown(value: Any, default: Any) -> str:
    if value is None:
        return "not set" if default is None else f"{_shown(default, None)} (default)"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST else "another value"


def _some(names: Iterable[Any]) -> str:
    names = [str(name) for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


class EditedRows:
    """The problems of a plan beside those that its study's table of problems was written with."""

    def __init__(self, plan: Plan, table: Path):
        self._plan, self._table = plan, table

    def count(self, shard: str, before: str) -> int | None:
        """Rows of the shard source/number of which generation reads something else than when its
        problems had the digest `before`; None where the table tells of another time, or of none."""
        found = self._shards.get(shard)
        written = self._written.get((found.source, found.index), []) if found else []
        if not written or prompts_digest(written) != before:
            return None
        known = {tuple(prompt_of(problem)) for problem in written}
        return sum(tuple(prompt_of(problem)) not in known for problem in self._plan.held(found))

    @cached_property
    def _shards(self) -> dict[str, Shard]:
        return {shard.name: shard for shard in self._plan.shards}

    @cached_property
    def _written(self) -> dict[tuple[str, int], list[Problem]]:
        groups: dict[tuple[str, int], list[Problem]] = defaultdict(list)
        try:
            table = read(self._table, PROBLEMS)
        except BadInput:  # gone or damaged, and then the plan says so
            return groups
        size = self._plan.shard_size
        for problem in problems_from(table):
            groups[problem.source, problem.row // size].append(problem)
        return groups
