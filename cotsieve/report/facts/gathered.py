"""Every number on the page, as plain values, from the tables of a study."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.answers.graders import NOT_READ
from cotsieve.findings.dataset.folder import new_rows
from cotsieve.findings.dataset.strata import shared_out
from cotsieve.findings.failure_kinds import kinds
from cotsieve.findings.grades import VERDICTS
from cotsieve.findings.necessity.controls import Control, controls, failures
from cotsieve.findings.necessity.judging import Rates, groupings, rates
from cotsieve.report.facts.grids import curves, families, heat_maps, truncations
from cotsieve.report.facts.inputs import ModelTables, StudyTables
from cotsieve.report.facts.lengths import written_lengths
from cotsieve.report.facts.reasoning_table import reasoning_effects
from cotsieve.report.facts.wording import described, plain_net, plain_share
from cotsieve.rollouts.schema import BASELINE

_SHOWN_IDS = 5


def study_facts(tables: StudyTables) -> dict[str, Any]:
    """All that the page tells of a study besides its single problems."""
    return {
        "study": tables.study,
        "problems": tables.problems.num_rows,
        "sources": _counted(tables.problems["source"]),
        "unusable": _counted(tables.problems["error"].drop_null()),
        "exclusions": dict(tables.exclusions),
        "settings": dict(tables.settings),
        "models": [model_facts(model, tables.problems) for model in tables.models],
    }


def model_facts(tables: ModelTables, problems: pa.Table) -> dict[str, Any]:
    """All that the page tells of a model."""
    rows = tables.necessity
    (everything,) = rates(rows)
    by = groupings(rows)
    return {
        "model": tables.model,
        "family": tables.family,
        "sweep": tables.sweep,
        "condition": tables.condition,
        "words": described(tables.definition(tables.sweep, tables.condition)),
        "samples": max((row["samples"] for row in rows), default=1),
        "all": _rates(everything),
        "strata": [_rates(group) for group in rates(rows, "stratum")],
        "sources": [_rates(one) for one in rates(rows, "source")] if "source" in by else [],
        "confusion": confusion(rows),
        "drawn": drawn(tables),
        "total": tables.total,
        "sweeps": [sweep_facts(tables, sweep) for sweep in tables.conditions],
        "lengths": written_lengths(tables.merged, tables.conditions),
        "failures": _failures(tables),
        "not_read": tables.merged["error"].to_pylist().count(NOT_READ),
        "disagreements": disagreement_facts(tables),
        "effects": reasoning_effects(tables, problems),
        "provenance": dict(tables.provenance),
    }


def sweep_facts(tables: ModelTables, sweep: str) -> dict[str, Any]:
    """The conditions of a sweep on the problems that failed under none of them."""
    decides = tables.condition if sweep == tables.sweep else None
    found = controls(tables.merged, tables.necessity, sweep, decides)
    definitions = {item.condition: tables.definition(sweep, item.condition) for item in found}
    values = {item.condition: _effect(item) for item in found}
    right = {name: value["correct"] for name, value in values.items()}
    broken = {name: value["broken"] for name, value in values.items()}
    right_at_baseline = found[0].broken.total if found else 0
    maps, panels = [], []
    for group in families(definitions):
        common = described_common(group["common"])
        if right_at_baseline:
            maps.append({"common": common, "maps": heat_maps(group, broken)})
        found_curves = curves(group, right, right[BASELINE], tables.thoughts)
        if found_curves:
            panels.append({"common": common, "panels": found_curves})
    kept = truncations(definitions, right, right.get(BASELINE, {}))
    return {
        "sweep": sweep,
        "problems": found[0].correct.total if found else 0,
        "right": right_at_baseline,
        "conditions": [
            {"condition": name, "words": described(definitions[name]), **values[name]}
            for name in values
        ],
        "heat": maps,
        "curves": panels,
        "truncations": kept,
        "passes": pass_rates(tables.merged, sweep),
    }


def described_common(common: Mapping[str, Any]) -> str:
    """What the conditions of a grid share, as far as it is not the default."""
    return ", ".join(f"{key} {value}" for key, value in common.items())


def confusion(rows: list[dict]) -> dict[str, Any]:
    """Verdicts at baseline against those under the ablation; every problem is counted once."""
    pairs = Counter((row["baseline_verdict"], row["ablated_verdict"]) for row in rows)
    shown = [
        verdict
        for verdict in VERDICTS
        if verdict in ("correct", "incorrect") or any(verdict in pair for pair in pairs)
    ]
    counts = [[pairs[one, two] for two in shown] for one in shown]
    return {"verdicts": shown, "counts": counts, "total": len(rows)}


def drawn(tables: ModelTables) -> list[dict[str, Any]]:
    """Per stratum: its target, how many new problems there were to draw, and what was drawn.

    Empty where nothing was asked for and there was nothing to draw.
    """
    known = [row for row in tables.drawn if row["is_existing"]]
    fresh = new_rows(tables.necessity, known, tables.model, tables.sweep, tables.condition)
    needed = Counter(row["stratum"] for row in fresh)
    kept = Counter((row["stratum"], bool(row["is_existing"])) for row in tables.drawn)
    targets = dict(tables.targets or {})
    if tables.total is not None:
        existing = Counter({name: count for (name, old), count in kept.items() if old})
        strata = (row["stratum"] for row in tables.necessity)
        targets = shared_out(tables.total, needed + existing, strata, existing)
    others = sorted(({name for name, _ in kept} | needed.keys()) - targets.keys())
    if not (tables.drawn or needed or any(targets.values())):
        return []
    return [
        {
            "stratum": name,
            "target": targets.get(name),
            "existing": kept[name, True],
            "new": kept[name, False],
            "drawn": kept[name, True] + kept[name, False],
            "needed": needed[name],
            "missing": max(targets.get(name, 0) - kept[name, True] - kept[name, False], 0),
        }
        for name in [*targets, *others]
    ]


def pass_rates(merged: pa.Table, sweep: str) -> list[dict[str, Any]]:
    """With several samples per problem: the mean share of right ones per condition."""
    rows = merged.filter(pc.field("sweep") == sweep)
    if not rows.num_rows or (pc.max(rows["sample"]).as_py() or 0) == 0:
        return []
    told = rows.filter(pc.field("verdict") != "failed")
    right = told.append_column("right", pc.equal(told["verdict"], "correct").cast(pa.int32()))
    found = right.group_by(["condition"], use_threads=False).aggregate(
        [("right", "mean"), ("right", "count")]
    )
    samples = pc.max(rows["sample"]).as_py() + 1
    return [
        {
            "condition": row["condition"],
            "samples": samples,
            "rollouts": row["right_count"],
            "rate": row["right_mean"],
        }
        for row in found.to_pylist()
    ]


def disagreement_facts(tables: ModelTables) -> dict[str, Any] | None:
    """On how many answers graders differ, and how; None where they were not compared."""
    if tables.disagreements is None:
        return None
    rows = tables.disagreements.to_pylist()
    by_answer: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = (row["condition"], row["problem_id"], row["sample"])
        entry = by_answer.setdefault(
            key,
            {
                "condition": row["condition"],
                "problem_id": row["problem_id"],
                "sample": row["sample"],
                "answer": row["answer"],
                "graders": {},
            },
        )
        entry["graders"][row["grader"]] = [row["verdict"], row["prediction"], row["reason"]]
    graders = list(dict.fromkeys(row["grader"] for row in rows))
    patterns = Counter(
        tuple(entry["graders"][grader][0] for grader in graders) for entry in by_answer.values()
    )
    return {
        "compared": tables.compared,
        "graders": graders,
        "answers": len(by_answer),
        "patterns": [
            {"verdicts": list(verdicts), "count": count}
            for verdicts, count in sorted(patterns.items(), key=lambda item: (-item[1], item[0]))
        ],
        "examples": list(by_answer.values())[:50],
    }


def _failures(tables: ModelTables) -> list[dict[str, Any]]:
    every = [one for sweep in tables.conditions for one in failures(tables.merged, sweep)]
    return [
        {
            "sweep": kind.sweep,
            "conditions": list(kind.conditions),
            "error": kind.error,
            "count": kind.rollouts,
            "problems": len(kind.problem_ids),
            "problem_ids": list(kind.problem_ids[:_SHOWN_IDS]),
        }
        for kind in kinds(every)
    ]


def _effect(item: Control) -> dict[str, Any]:
    return {
        "correct": plain_share(item.correct),
        "broken": plain_share(item.broken),
        "broken_of_needed": plain_share(item.broken_of_needed),
        "net": plain_net(item.net),
        "followed": None if item.followed is None else plain_share(item.followed),
    }


def _rates(group: Rates) -> dict[str, Any]:
    return {
        "group": group.group,
        "problems": group.problems,
        "failed": group.failed,
        "baseline": plain_share(group.baseline_correct),
        "ablated": plain_share(group.ablated_correct),
        "needs_cot": plain_share(group.needs_cot),
        "needs_cot_of_correct": plain_share(group.needs_cot_of_correct),
        "net": plain_net(group.net),
    }


def _counted(values: pa.ChunkedArray) -> dict[str, int]:
    return dict(Counter(values.to_pylist()))
