"""What written reasoning does to accuracy, condition by condition, from the merged table."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.reasoning.effect import Comparison, Effect, Run, effect, effect_by
from cotsieve.findings.shares import Share
from cotsieve.ground.sheets import csv_text
from cotsieve.rollouts.schema import BASELINE

GROUPS = ("level", "subject")


def runs(
    merged: pa.Table, problems: pa.Table, sweep: str, close: str, given: bool = False
) -> dict[str, list[Run]]:
    """Condition → the first sample of every problem, in the order of the merged table.

    `close` is the tag that ends a thought. It must stand once in what the model wrote at baseline,
    and in nothing written behind a reasoning that was read: under every ablation and, with
    `given`, at baseline too.
    """
    about = {
        row["problem_id"]: row
        for row in problems.select(["problem_id", "level", "subject"]).to_pylist()
    }
    first = (pc.field("sweep") == sweep) & (pc.field("sample") == 0)
    columns = ["condition", "problem_id", "verdict", "finish_reason", "text", "answer_text"]
    found: dict[str, list[Run]] = {}
    for row in merged.filter(first).select([*columns, *_LENGTHS]).to_pylist():
        problem = about[row["problem_id"]]
        own = row["condition"] == BASELINE and not given
        run = Run(
            row["problem_id"],
            row["verdict"],
            finished=row["finish_reason"] == "stop",
            format_ok=_well_formed(row, close, own),
            level=None if problem["level"] is None else f"level {problem['level']}",
            subject=problem["subject"],
            think_length=row["thought_tokens"],
            answer_length=row["answer_tokens"],
        )
        found.setdefault(row["condition"], []).append(run)
    return found


_LENGTHS = ("thought_tokens", "answer_tokens")


def _well_formed(row: Mapping[str, Any], close: str, own: bool) -> bool:
    tags = (row["text"] or "").count(close)
    return row["answer_text"] is not None and tags <= 1 if own else tags == 0


def effects(found: Mapping[str, list[Run]]) -> list[dict[str, Any]]:
    """The baseline against every other condition of a sweep, over all problems and per group.

    One entry per condition and group, in order: `condition`, `by` (all, level or subject), `group`
    and the `effect`.
    """
    baseline = found[BASELINE]
    entries = []
    for condition, others in found.items():
        if condition == BASELINE:
            continue
        place = {"condition": condition}
        whole = place | {"by": "all", "group": "all", "effect": effect(baseline, others)}
        entries.append(whole)
        for by in GROUPS:
            for group, one in effect_by(by, baseline, others).items():
                entries.append(place | {"by": by, "group": group, "effect": one})
    return entries


def plain_effect(found: Effect) -> dict[str, Any]:
    """An effect as plain values for JSON."""
    return _plain(found)


def effects_csv(entries: Iterable[Mapping[str, Any]]) -> str:
    """One line per sweep, condition, group and set of problems (everything, common)."""
    return csv_text(_COLUMNS, (line for entry in entries for line in _lines(entry)))


_PLACE = ("sweep", "condition", "by", "group")
_COLUMNS = (
    *_PLACE, "problems_of", "problems", "failed",
    "with_right", "with_low", "with_high", "without_right", "without_low", "without_high",
    "both", "correct_to_wrong", "wrong_to_correct", "neither", "t", "t_p", "mcnemar_p",
    "difference", "difference_low", "difference_high",
    "with_finished", "with_valid", "without_finished", "without_valid",
    "with_think_mean", "with_think_median", "with_answer_mean", "with_answer_median",
    "without_think_mean", "without_think_median", "without_answer_mean", "without_answer_median",
)  # fmt: skip


def _lines(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    found: Effect = entry["effect"]
    shared = {name: entry[name] for name in _PLACE} | {"failed": found.failed}
    for side in ("with", "without"):
        funnel, lengths = getattr(found, f"funnel_{side}"), getattr(found, f"lengths_{side}")
        shared |= {f"{side}_finished": funnel.finished, f"{side}_valid": funnel.extracted}
        for part, length in lengths._asdict().items():
            shared |= {f"{side}_{part}_mean": length.mean, f"{side}_{part}_median": length.median}
    for name in ("everything", "common"):
        yield shared | {"problems_of": name} | _comparison(getattr(found, name))


def _comparison(found: Comparison) -> dict[str, Any]:
    told = {"problems": found.with_reasoning.total, "both": found.both, "neither": found.neither}
    told |= {"correct_to_wrong": found.with_only, "wrong_to_correct": found.without_only}
    told |= {"t": found.t, "t_p": found.t_p, "mcnemar_p": found.mcnemar_p}
    if found.difference:
        value, low, high = found.difference
        told |= {"difference": value, "difference_low": low, "difference_high": high}
    for side, right in (("with", found.with_reasoning), ("without", found.without)):
        told |= {f"{side}_right": right.count}
        told |= {f"{side}_low": right.low, f"{side}_high": right.high}
    return told


def _plain(value: Any) -> Any:
    if not hasattr(value, "_asdict"):
        return value
    plain = {name: _plain(part) for name, part in value._asdict().items()}
    return plain | {"value": value.value} if isinstance(value, Share) else plain
